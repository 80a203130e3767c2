"""Who is asked about: purchases of the right periods, one per user, the same whoever asks, and nested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import BadInput
from db.requests import StudyRequest
from engine.studies.questions import drawn, in_periods, last_ones, timeline
from tests.toys import toy_columns

COLUMNS = toy_columns(users=30, items=50, length=12)


@given(st.integers(2, 12), st.integers(1, 11), st.integers(1, 40), st.integers(0, 99))
def test_questions_are_of_their_periods_one_per_user_and_nested(
    periods: int, cut: int, users: int, seed: int
) -> None:
    time = timeline(COLUMNS, periods)
    assert time is not None
    cut = min(cut, periods - 1)
    mask = in_periods(COLUMNS, time, cut, periods)
    questions = drawn(COLUMNS, mask, time, users, "test", seed)
    owners = [question.user_id for question in questions]
    assert len(set(owners)) == len(owners) <= users
    assert len(owners) == min(users, len(np.unique(COLUMNS.user[mask])))
    start = time.start(cut)
    for question in questions:
        row = 12 * int(question.user_id[1:]) + question.position
        assert question.position >= 1
        assert COLUMNS.timestamp is not None
        assert COLUMNS.timestamp[row] >= start
        assert question.period == time.period[row] >= cut
    assert drawn(COLUMNS, mask, time, users + 3, "test", seed)[: len(questions)] == questions


def test_another_seed_asks_about_other_purchases() -> None:
    time = timeline(COLUMNS, 4)
    assert time is not None
    mask = in_periods(COLUMNS, time, 1, 4)
    one, other = (drawn(COLUMNS, mask, time, 30, "test", seed) for seed in (0, 1))
    assert one != other
    assert {q.user_id for q in one} == {q.user_id for q in other}
    assert len({question.position for question in one}) > 3


def test_without_usable_times_everybodys_last_purchase_is_asked_about() -> None:
    plain = toy_columns(users=9, length=4, timestamps=False)
    assert timeline(plain, 2) is None
    questions = drawn(plain, last_ones(plain), None, 99, "test")
    assert sorted((q.user_id, q.position, q.period) for q in questions) == [
        (f"u{user}", 3, None) for user in range(9)
    ]
    assert timeline(toy_columns(users=3, length=4), 7) is None


def test_who_bought_once_is_not_asked_about() -> None:
    once = toy_columns(users=4, length=1)
    assert not last_ones(once).any()


@pytest.mark.parametrize(
    "field, value",
    [
        ("users", 1),
        ("users", "many"),
        ("cut", 10),
        ("demos", "none"),
        ("demos", "neighbours:0"),
        ("demos", "magic:4"),
        ("candidate_kind", "easy"),
        ("scoring", "loud"),
        ("minutes", 0),
        ("single", ""),
        ("model", None),
        ("colour", "red"),
    ],
)
def test_a_senseless_field_is_named(field: str, value: object) -> None:
    with pytest.raises(BadInput, match=field):
        StudyRequest.from_json({"study": "recicl", "dataset": "toy", field: value})


def test_a_request_survives_the_store() -> None:
    request = StudyRequest("drift", "toy", users=20, cut=3)
    assert StudyRequest.from_json(request.to_json()) == request
    with pytest.raises(BadInput, match="dataset: missing"):
        StudyRequest.from_json({"study": "drift"})
