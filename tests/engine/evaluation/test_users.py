"""Who is asked: the draws are nested, and one draw is shared by what is to be compared."""

import pytest

from engine.evaluation.users import ASKED, asked_users
from engine.studies.questions import drawn, last_ones
from tests.toys import toy_columns


@pytest.mark.parametrize("seed", range(3))
def test_lists_and_studies_named_so_ask_the_same_users(seed: int) -> None:
    columns = toy_columns(users=40, items=60)
    questions = drawn(columns, last_ones(columns), None, 15, ASKED, "origin", seed)
    assert asked_users(columns, "origin", 15, seed) == [question.user_id for question in questions]


def test_fewer_are_the_first_of_more_and_a_seed_draws_others() -> None:
    columns = toy_columns(users=40, items=60)
    whole = asked_users(columns, "origin", None, 0)
    assert sorted(whole) == sorted(columns.user_ids)
    assert asked_users(columns, "origin", 7, 0) == whole[:7]
    assert asked_users(columns, "origin", None, 1) != whole
    assert asked_users(columns, "another", None, 0) != whole


def test_who_has_no_target_is_not_asked() -> None:
    columns = toy_columns(users=5, length=2)
    assert len(asked_users(columns, "origin", None, 0, "test")) == 5
    assert asked_users(columns, "origin", None, 0, "probe") == []
