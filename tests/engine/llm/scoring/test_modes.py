"""The right answer's loss from log-probabilities: which of them is the right one's."""

import math

import pytest
import torch

from db.errors import ModelError
from engine.llm.scoring.modes import Question, candidate_scores, combine
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.prompts import PLAIN, Example, read
from tests.engine.conftest import TITLES, make_loaded
from tests.support.own_template import with_section

YES, NO = math.log(0.06), math.log(0.02)  # of all tokens, these two have 8 %: Yes 3 times of 4


def question(liked: bool) -> Question:
    return Question(PLAIN, "yes_no", ("a", "b"), 0, liked, ())


@pytest.mark.parametrize(("liked", "right"), [(True, 0.75), (False, 0.25)])
def test_the_loss_of_yes_or_no_is_that_of_the_right_one(liked: bool, right: float) -> None:
    loss = combine(question(liked), torch.tensor([[YES, NO]], dtype=torch.float64))
    assert loss.tolist() == pytest.approx([-math.log(right)])
    [scores] = candidate_scores(
        question(liked), torch.tensor([[YES, NO, NO, YES]], dtype=torch.float64), None
    ).tolist()
    assert scores[0] > scores[1], "a likelier Yes ranks higher, whatever the target's rating"


def test_a_liked_target_has_the_lower_loss_the_likelier_its_yes_is(demos: tuple[Example, ...]) -> None:
    """Ranked on a model: score = log Yes - log No, so the loss is log(1 + exp(-score)), or of a disliked
    target log(1 + exp(score))."""
    loaded = make_loaded("llama")
    for liked, sign in ((True, -1), (False, 1)):
        asked = Task(demos, TITLES[2:6], TITLES[5:10], 2, scoring="yes_no", target_liked=liked)
        ranked = rank_candidates(loaded, asked)
        assert ranked.loss == pytest.approx(math.log1p(math.exp(sign * ranked.scores[2])), abs=1e-6)
        zero = ranked.scores_zero_shot[2]
        assert ranked.loss_zero_shot == pytest.approx(math.log1p(math.exp(sign * zero)), abs=1e-6)


def test_the_loss_of_several_rows_is_their_mean() -> None:
    listwise = Question(PLAIN, "listwise", ("a", "b"), 0, True, ((0, 1), (1, 0)))
    assert combine(listwise, torch.tensor([[-1.0, -3.0]])).tolist() == [2.0]


def test_answers_that_the_tokenizer_writes_alike_are_refused() -> None:
    """Each word that this tokenizer does not know becomes the same token, whose scores would all be equal."""
    loaded = make_loaded("llama", "wordpiece")
    template = read(with_section("yes_no", "{title}\n", "So: {answer}") + "yes = 'はい'\nno = 'いいえ'\n")
    with pytest.raises(ModelError, match="same tokens for the answers 'はい' and 'いいえ'"):
        rank_candidates(loaded, Task((), ("a",), ("b", "c"), scoring="yes_no", template=template))
    with pytest.raises(ModelError, match="same tokens for the answers"):
        loaded.encoder.answers([PLAIN.form("rating").rating_answer(value) for value in (77.5, 88.5)])
