"""An over-long prompt loses oldest history first, then whole demonstrations from the far end, and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import ModelError
from engine.prompts import PLAIN, Example, PieceEncoder, encode, fit, render
from tests.engine.conftest import TITLES, make_tokenizer

ENCODER = PieceEncoder(make_tokenizer("bpe"))
DEMOS = [Example(TITLES[i : i + 3], TITLES[i + 3]) for i in range(5)]
HISTORY = list(TITLES[:6])


def size(demos: list[Example], history: list[str]) -> int:
    return len(encode(ENCODER, render(PLAIN, "sum", demos, history)))


def test_a_prompt_that_fits_is_left_alone() -> None:
    fitted = fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, size(DEMOS, HISTORY))
    assert (fitted.kept, fitted.history, fitted.dropped) == ((0, 1, 2, 3, 4), tuple(HISTORY), ())


def test_one_token_too_many_costs_the_oldest_history_item() -> None:
    fitted = fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, size(DEMOS, HISTORY) - 1)
    assert fitted.history == tuple(HISTORY[1:])
    assert fitted.kept == (0, 1, 2, 3, 4)
    assert [d.as_dict() for d in fitted.dropped] == [
        {
            "kind": "history",
            "index": 0,
            "title": TITLES[0],
            "tokens": size([], HISTORY) - size([], HISTORY[1:]),
        }
    ]


def test_then_whole_demonstrations_go_the_farthest_first() -> None:
    fitted = fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, size(DEMOS[2:], HISTORY[-1:]))
    assert fitted.history == (HISTORY[-1],)
    assert fitted.kept == (2, 3, 4)
    assert [(d.kind, d.index) for d in fitted.dropped[-2:]] == [("demo", 0), ("demo", 1)]


def test_where_no_demonstration_can_stay_the_history_is_whole_again() -> None:
    fitted = fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, size(DEMOS[4:], HISTORY[-1:]) - 1)
    alone = fit(ENCODER, PLAIN, "sum", [], HISTORY, size(DEMOS[4:], HISTORY[-1:]) - 1)
    assert (fitted.kept, fitted.history) == ((), alone.history)
    assert 1 < len(fitted.history) < len(HISTORY)
    assert [(d.kind, d.index) for d in fitted.dropped[:5]] == [("demo", b) for b in range(5)]
    assert fitted.dropped[5:] == alone.dropped


def test_a_hint_stands_with_the_query_and_is_never_dropped() -> None:
    hint = TITLES[7:9]
    segments = render(PLAIN, "sum", DEMOS[:2], HISTORY, hint)
    assert [segment.kind for segment in segments] == ["prefix", "demo", "demo", "hint", "query"]
    assert segments[3].text == f"Another recommender suggests:\n- {hint[0]}\n- {hint[1]}\n\n"
    whole = encode(ENCODER, segments)
    bare = encode(ENCODER, render(PLAIN, "sum", DEMOS[:2], HISTORY))
    assert whole.before("query") == bare.before("query")  # what is shared does not know the hint
    assert set(whole.owners()[len(whole.before("query")) :]) == {-1}
    least = len(encode(ENCODER, render(PLAIN, "sum", [], HISTORY[-1:], hint)))
    fitted = fit(ENCODER, PLAIN, "sum", DEMOS[:2], HISTORY, least, hint)
    assert [segment.kind for segment in fitted.segments] == ["prefix", "hint", "query"]
    assert len(fitted.encoded) == least


def test_a_query_that_cannot_fit_is_an_error_that_says_the_numbers() -> None:
    with pytest.raises(ModelError, match="room for 5"):
        fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, 5)


@given(room=st.integers(40, 400))
def test_what_is_kept_fits_and_with_what_was_dropped_makes_the_whole(room: int) -> None:
    try:
        fitted = fit(ENCODER, PLAIN, "sum", DEMOS, HISTORY, room)
    except ModelError:
        assert size([], HISTORY[-1:]) > room
        return
    assert len(fitted.encoded) <= room
    assert sum(d.tokens for d in fitted.dropped) + len(fitted.encoded) == size(DEMOS, HISTORY)
    assert fitted.encoded.ids == encode(ENCODER, fitted.segments).ids
