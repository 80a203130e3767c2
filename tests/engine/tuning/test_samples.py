"""Samples of a data set: laid out as the engine ranks, and knowing nothing of what comes later."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import BadInput
from db.ratings import between
from db.requests import TuneRequest
from engine.data.simulated import simulate
from engine.data.splits import positions, time_periods
from engine.prompts import PLAIN, Example, built_in, encode, render
from engine.prompts.segments import title_answer
from engine.tuning.samples import Sampler, material
from tests.engine.conftest import make_loaded

COLUMNS = simulate(3, users=120, items=150)
REQUEST = TuneRequest("toy", demos=3)


def make_sampler(
    request: TuneRequest = REQUEST, columns=COLUMNS, room: int = 2000, gaps: bool = False
) -> Sampler:
    return Sampler(columns, make_loaded("llama").encoder, request, room, gaps)


def taught(sampler: Sampler, count: int, seed: int = 0):
    """What goes into samples: the answer's row and the rows of its demonstrations' answers."""
    rng = random.Random(seed)
    for _ in range(count):
        answer = int(rng.choice(sampler.material.answers))
        shown = sampler._window(answer, 10)
        yield (
            answer,
            [row for _ in range(3) if (row := sampler._demonstration(answer, shown, rng)) is not None],
        )


def test_a_sample_is_token_for_token_what_ranking_renders() -> None:
    sampler, rng = make_sampler(replace(REQUEST, layout="single")), random.Random(0)
    encoder = sampler.encoder
    for answer in sampler.material.answers[:40].tolist():
        sample = sampler.sample(answer, rng)
        assert sample is not None
        history = [COLUMNS.titles[i] for i in COLUMNS.item[sampler._window(answer, 10)]]
        answered = encoder.joined(title_answer(COLUMNS.titles[COLUMNS.item[answer]]))
        assert tuple(sample.ids) == (*encode(encoder, render(PLAIN, "sum", [], history)).ids, *answered)
        assert sample.weights == [0.0] * (len(sample.ids) - len(answered)) + [1.0] * len(answered)
        assert sample.positions == list(range(len(sample.ids)))


def test_demonstrations_stand_before_the_query_as_the_engine_writes_them(monkeypatch) -> None:
    sampler = make_sampler()
    answer = int(sampler.material.answers[-1])
    rows = [int(row) for row in sampler.material.answers[:2]]
    given = iter(rows)
    monkeypatch.setattr(sampler, "_demonstration", lambda *_: next(given, None))
    sample = sampler.sample(answer, random.Random(0), full=True)
    assert sample is not None
    demos = []
    for row in sorted(rows, key=sampler._moment):
        history = tuple(COLUMNS.titles[i] for i in COLUMNS.item[sampler._window(row, 5)])
        demos.append(Example(history, COLUMNS.titles[COLUMNS.item[row]], bool(COLUMNS.rating[row] >= 4)))
    history = [COLUMNS.titles[i] for i in COLUMNS.item[sampler._window(answer, 10)]]
    prompt = encode(sampler.encoder, render(PLAIN, "sum", demos, history)).ids
    assert tuple(sample.ids[: len(prompt)]) == prompt
    answers = [sampler.encoder.joined(title_answer(demo.answer)) for demo in demos]
    assert sum(sample.weights) == sum(map(len, answers)) + len(sample.ids) - len(prompt)
    last = replace(REQUEST, loss_on="last")
    only = make_sampler(last).sample(answer, random.Random(0), full=True)
    assert only is not None
    assert sum(only.weights) == len(sample.ids) - len(prompt)


def test_everything_in_a_demonstration_precedes_the_query_in_time() -> None:
    sampler = make_sampler()
    place, time = positions(COLUMNS.user), COLUMNS.timestamp
    kinds = set()
    for answer, rows in taught(sampler, 400):
        for row in rows:
            kinds.add(COLUMNS.user[row] == COLUMNS.user[answer])
            assert time[row] < time[answer]
            assert (time[sampler._window(row, 5)] < time[answer]).all()
            assert place[row] >= 1
    assert kinds == {True, False}


def test_what_was_bought_at_the_answers_own_moment_is_in_no_demonstration() -> None:
    """Ten purchases share each moment: a demonstration of that moment would not be from before."""
    times = np.unique(COLUMNS.timestamp, return_inverse=True)[1]
    coarse = replace(COLUMNS, timestamp=(times // 10).astype(np.int64))
    sampler = make_sampler(columns=coarse)
    moment = coarse.timestamp
    assert moment is not None
    beside, rng = 0, random.Random(1)
    for answer, rows in taught(sampler, 600):
        assert all(moment[row] < moment[answer] for row in rows)
        same = np.flatnonzero((moment == moment[answer]) & sampler.material.allowed)
        beside += any(not sampler._before(int(row), answer) for row in same)
        assert not any(sampler._before(int(row), answer) for row in same)
    assert beside == 600, "the answer itself is of its moment"
    own = [(a, int(a) - 1) for a in sampler.material.answers if moment[a] == moment[a - 1]]
    assert own
    assert all(sampler._proximal(int(a), rng) != row for a, row in own for _ in range(5))


@pytest.mark.parametrize("times", [True, False])
def test_held_out_interactions_are_in_no_sample(times: bool) -> None:
    columns = COLUMNS if times else replace(COLUMNS, timestamp=None)
    sampler = make_sampler(columns=columns)
    length = np.bincount(columns.user)[columns.user]
    held = positions(columns.user) >= length - 2
    validating = np.zeros(len(held), dtype=bool)
    validating[sampler.material.validation] = True
    for answer, rows in taught(sampler, 400):
        assert not held[answer]
        assert not validating[answer]
        for row in rows:
            assert not held[row]
            assert not validating[row]
            assert not held[sampler._window(row, 5)].any()
    assert validating.sum() >= 20


def test_until_a_period_nothing_later_is_learnt() -> None:
    period, _ = time_periods(COLUMNS.timestamp, 10)
    sampler = make_sampler(replace(REQUEST, until=4))
    assert period[sampler.material.answers].max() == 3
    assert period[sampler.material.validation].max() <= 3
    for _, rows in taught(sampler, 200):
        assert all(period[row] < 4 for row in rows)
    with pytest.raises(BadInput, match="no timestamps"):
        material(replace(COLUMNS, timestamp=None), replace(REQUEST, until=4))


def test_yes_and_no_both_come_and_no_is_nothing_the_user_has() -> None:
    sampler, rng = make_sampler(replace(REQUEST, answers="yes_no", layout="single")), random.Random(0)
    said = {True: 0, False: 0}
    for answer in sampler.material.answers[:200].tolist():
        item, liked = sampler._answer(answer, rng)
        own = set(COLUMNS.item[COLUMNS.user == COLUMNS.user[answer]].tolist())
        if item == COLUMNS.item[answer]:
            assert liked == (COLUMNS.rating[answer] >= 4)
        else:
            assert not liked
            assert item not in own
        said[liked] += 1
        item, liked = sampler._answer(answer, random.Random(answer))
        sample = sampler.sample(answer, random.Random(answer))
        assert sample is not None
        text = sampler.encoder.tokenizer.decode(sample.ids)
        assert text.rstrip().endswith("Yes" if liked else "No")
        assert COLUMNS.titles[item] in text
    assert min(said.values()) > 40


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_gaps_move_segments_and_never_past_the_room(seed: int) -> None:
    sampler = make_sampler(room=600, gaps=True)
    rng = random.Random(seed)
    sample = sampler.sample(int(rng.choice(sampler.material.answers)), rng)
    if sample is None:
        return
    steps = np.diff(sample.positions)
    assert (steps >= 1).all()
    assert (steps > 1).sum() <= 4
    assert sample.positions[-1] < 600


def test_nobodys_newest_purchase_is_learnt_however_early_it_was() -> None:
    sampler = make_sampler(replace(REQUEST, until=9))
    place = positions(COLUMNS.user)
    newest = place == np.bincount(COLUMNS.user)[COLUMNS.user] - 1
    assert (newest & (time_periods(COLUMNS.timestamp, 10)[0] < 9)).any()
    assert not (sampler.material.allowed & newest).any()


def test_a_short_context_costs_the_oldest_history_then_demonstrations() -> None:
    whole, short = make_sampler(), make_sampler(room=110)
    cut = 0
    for answer in whole.material.answers[:60].tolist():
        long = whole.sample(answer, random.Random(1), full=True)
        shortened = short.sample(answer, random.Random(1), full=True)
        assert long is not None
        assert shortened is not None
        assert len(shortened.ids) <= 110
        texts = [whole.encoder.tokenizer.decode(sample.ids) for sample in (long, shortened)]
        assert texts[1].splitlines()[-3:] == texts[0].splitlines()[-3:]  # newest item, Next, answer
        cut += len(shortened.ids) < len(long.ids)
    assert cut > 30


def test_demonstrations_are_as_many_as_asked_where_there_are_enough() -> None:
    sampler, rng = make_sampler(), random.Random(0)
    counts = []
    for answer in sampler.material.answers[-200:].tolist():
        rows = sampler._demonstrations(answer, sampler._window(answer, 10), 3, rng)
        assert len(set(rows)) == len(rows) <= 3
        counts.append(len(rows))
    assert sum(count == 3 for count in counts) > 150


def test_too_long_or_too_little_is_told() -> None:
    sampler = make_sampler(room=12)
    assert sampler.sample(int(sampler.material.answers[-1]), random.Random(0), full=True) is None
    for ask in (sampler.validation, lambda: next(sampler.endless("0-0"))):
        with pytest.raises(BadInput, match="too long"):
            ask()
    few = simulate(3, users=2, items=150)
    with pytest.raises(BadInput, match="too few"):
        material(few, REQUEST)


def test_yes_and_no_follow_the_data_sets_own_scale() -> None:
    """Labels 0 and 1 are No and Yes; on five stars both would be No."""
    labels = replace(COLUMNS, rating=(COLUMNS.rating >= 4).astype(np.float32))
    request = replace(REQUEST, answers="yes_no", layout="single")
    sampler = Sampler(labels, make_loaded("llama").encoder, request, 512, False, between(0, 1, 1))
    for answer in sampler.material.answers[:50].tolist():
        item, liked = sampler._answer(answer, random.Random(answer))
        assert liked == (item == labels.item[answer] and labels.rating[answer] == 1)
    assert any(sampler._liked(row) for row in range(50))


RECICL = built_in("recicl")
RATED = replace(REQUEST, answers="rated", template="recicl", sources=("proximal",), loss_on="last")


def rated_sampler(request: TuneRequest = RATED) -> Sampler:
    return Sampler(COLUMNS, make_loaded("llama").encoder, request, 2000, False, template=RECICL)


def test_answers_by_rating_ask_about_the_user_s_own_items_and_say_what_the_rating_says() -> None:
    sampler = rated_sampler()
    found = set()
    for answer in sampler.material.answers[:200].tolist():
        item, liked = sampler._answer(answer, random.Random(answer))
        assert item == COLUMNS.item[answer]
        assert liked == (COLUMNS.rating[answer] >= 4)
        found.add(liked)
    assert found == {True, False}


def test_a_sample_of_another_template_is_what_ranking_renders_with_it() -> None:
    """Histories of the template `recicl` hold what was liked alone."""
    sampler, rng = rated_sampler(replace(RATED, layout="single")), random.Random(0)
    form, encoder, shorter = RECICL.form("yes_no"), sampler.encoder, 0
    for answer in sampler.material.answers[:40].tolist():
        sample = sampler.sample(answer, rng)
        assert sample is not None
        rows = sampler._window(answer, 10)
        liked = [COLUMNS.titles[i] for i in COLUMNS.item[rows[COLUMNS.rating[rows] >= 4]]]
        shorter += len(liked) < len(rows)
        title = COLUMNS.titles[COLUMNS.item[answer]]
        prompt = encode(encoder, render(RECICL, "yes_no", [], [f'"{each}"' for each in liked])).ids
        said = form.yes_no_answer(bool(COLUMNS.rating[answer] >= 4))
        assert tuple(sample.ids) == (*prompt, *encoder.joined(form.ask([title])), *encoder.joined(said))
    assert shorter > 5


@pytest.mark.parametrize("template", ["plain", "recicl"])
def test_yes_and_no_are_told_from_each_other_where_they_part(template: str) -> None:
    request = replace(RATED, template=template, loss_on="all")
    encoder = make_loaded("llama").encoder
    sampler = Sampler(COLUMNS, encoder, request, 2000, False, template=built_in(template))
    form = sampler.form
    yes, no = (list(encoder.joined(form.yes_no_answer(said))) for said in (True, False))
    fork = next(n for n, (a, b) in enumerate(zip(yes, no, strict=False)) if a != b)
    shown = 0
    for answer in sampler.material.answers[-40:].tolist():
        sample = sampler.sample(answer, random.Random(answer), full=True)
        assert sample is not None
        taught = [place for place, weight in enumerate(sample.weights) if weight]
        assert taught == sorted(sample.rivals)
        assert {frozenset((sample.ids[at], sample.rivals[at])) for at in taught} == {
            frozenset((yes[fork], no[fork]))
        }
        assert sample.ids[taught[-1] - fork :] in (yes, no)
        shown += len(taught) - 1
    assert shown > 40, "the demonstrations' answers count, too"


@pytest.mark.parametrize("ratings", [None, np.full(len(COLUMNS.item), 5, dtype=np.float32)])
def test_answers_by_rating_need_ratings_of_both_kinds(ratings) -> None:
    with pytest.raises(BadInput, match=r"answers: 'toy' has .* every question has the same answer"):
        material(replace(COLUMNS, rating=ratings), RATED)
