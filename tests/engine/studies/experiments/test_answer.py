"""What is said of an experiment: the sentence follows the numbers, and equal cells give equal bytes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.canonical import canonical_json
from db.errors import BadInput
from engine.studies.experiments.answer import answer, plain, tables
from engine.studies.experiments.beyond_accuracy import catalogue
from engine.studies.plan import SIMULATED
from tests.support.grid import NOTHING_KNOWN, cell, grid

RNG = np.random.Generator(np.random.PCG64(0))
FAR = RNG.integers(8, 21, 40)
NEAR = RNG.integers(1, 4, 40)


def said(rows: dict, reference: str, **more) -> dict:
    return answer(grid(rows, seconds=0.1), NOTHING_KNOWN, reference, **more)


def test_a_clear_difference_is_beyond_chance() -> None:
    found = said({"none": FAR, "bm25": NEAR}, "none")
    assert (found["best"], found["challenger"], found["correction"]) == ("bm25", "bm25", "Holm")
    assert found["claim"].startswith("Over 40 users, Bm25 has the highest NDCG@10, 0.")
    assert found["claim"].endswith("against None: beyond chance after Holm's correction.")


def test_an_unclear_difference_names_what_these_users_could_have_shown() -> None:
    found = said({"none": [*NEAR, 2, 3], "bm25": [*NEAR, 2, 2]}, "none")
    test = found["comparisons"]["ndcg10"]["none"]["bm25"]
    assert "not beyond chance after Holm's correction." in found["claim"]
    assert f"a true difference of {test['detectable']:.3f} with 80% power" in found["claim"]
    assert "if the true difference is the one seen, that takes" in found["claim"]


def test_the_reference_can_be_the_highest() -> None:
    found = said({"none": NEAR, "bm25": FAR}, "none")
    assert (found["best"], found["challenger"]) == ("none", "bm25")
    assert "has the highest NDCG@10" in found["claim"]
    assert "it is the reference; the next, Bm25, differs by -0." in found["claim"]


def test_rows_that_never_differ_are_said_so() -> None:
    found = said({"none": NEAR, "bm25": NEAR}, "none")
    assert found["claim"].endswith("The two do not differ for any user.")


def test_the_highest_row_of_the_reference_s_model_is_told_beside_a_baseline_above_it() -> None:
    middle = RNG.integers(4, 8, 40)
    found = said({"none": FAR, "bm25": middle, "itemknn": NEAR}, "none")
    assert found["challenger"] == "itemknn"
    assert found["contender"] == "itemknn", "here all rows are one model's"
    cells = grid({"none": FAR, "bm25": middle, "itemknn": NEAR}, seconds=0.1)
    rows = tuple(replace(row, kind="baseline") if row.key == "itemknn" else row for row in cells.rows)
    found = answer(replace(cells, rows=rows), NOTHING_KNOWN, "none")
    assert (found["best"], found["challenger"], found["contender"]) == ("itemknn", "itemknn", "bm25")
    assert {(zone["without"], zone["with"]) for zone in found["zones"]} == {("none", "bm25")}
    assert "Itemknn has the highest" in found["claim"]
    assert "Of the reference's model the highest other row is Bm25, 0." in found["claim"]


def test_one_row_stands_alone() -> None:
    found = said({"none": NEAR}, "none")
    assert found["challenger"] is None
    assert found["claim"].endswith("there is no other row to compare it with.")
    assert tables(found)


@pytest.mark.parametrize("users", [1, 3])
def test_a_few_users_are_enough_for_an_answer(users: int) -> None:
    found = said({"none": FAR[:users], "bm25": NEAR[:users]}, "none")
    assert f"Over {users} user" in found["claim"]
    assert "not beyond chance" in found["claim"]
    assert tables(found)


def test_simulated_data_are_called_so() -> None:
    found = said({"none": FAR, "bm25": NEAR}, "none", simulated=True)
    assert found["notes"][0] == SIMULATED
    assert found["claim"].startswith("On simulated data, over 40 users")
    assert SIMULATED not in said({"none": FAR}, "none")["notes"]


def test_a_reference_that_is_no_row_and_no_users_are_refused() -> None:
    with pytest.raises(BadInput, match="'bm52' is none of the rows none, bm25"):
        said({"none": FAR, "bm25": NEAR}, "bm52")
    cells = grid({"none": [1]})
    with pytest.raises(BadInput, match="No user of the experiment is done"):
        answer(type(cells)(cells.rows, (), {"none": []}), NOTHING_KNOWN, "none")


def test_equal_cells_give_the_same_bytes_except_for_timings() -> None:
    rows = {"none": [FAR, NEAR], "bm25": NEAR}
    first, again = (
        answer(grid(rows, seconds=seconds), NOTHING_KNOWN, "none", seed=3) for seconds in (0.1, 7.0)
    )
    assert first.pop("timings") != again.pop("timings")
    assert canonical_json(first) == canonical_json(again)
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_the_other_questions_are_answered_for_the_reference_and_the_highest_other_row() -> None:
    found = answer(grid({"none": FAR, "bm25": NEAR}, tokens=200, effects={"d": 0.5}), NOTHING_KNOWN, "none")
    assert [(part["without"], part["with"], part["k"]) for part in found["zones"]] == [
        ("none", "bm25", 1),
        ("none", "bm25", 10),
    ]
    assert found["frontier"]["best"] == "bm25"
    assert found["across_users"]["helps"] == ["d"]
    assert found["timings"]["frontier"] is None, "no time was measured"
    assert len(tables(found)) == 7


lists = st.builds(
    cell,
    st.integers(1, 20),
    st.integers(0, 19),
    tokens=st.none() | st.integers(1, 900),
    seconds=st.none() | st.floats(0, 9),
    effects=st.none() | st.dictionaries(st.sampled_from("abc"), st.floats(-2, 2)),
    top=st.lists(st.sampled_from("vwxyz"), unique=True).map(tuple),
    margin=st.none() | st.floats(-9, 0),
    margin_zero_shot=st.none() | st.floats(-9, 0),
)


@given(st.integers(1, 12), st.integers(1, 3), st.data())
@settings(max_examples=15)
def test_whatever_was_measured_there_is_an_answer(users: int, draws: int, data: st.DataObject) -> None:
    per_user = st.lists(st.lists(lists, min_size=draws, max_size=draws), min_size=users, max_size=users)
    rows = {name: data.draw(per_user) for name in ("none", "bm25", "random")}
    known = catalogue(list("vwxy"), ["a b", "", "b", "c"], [4, 1, 1, 0], ["k", None, None, "k"])
    found = answer(grid(rows), known, "none")
    assert json.loads(canonical_json(found)) == found
    assert all(len(row) == len(columns) for columns, rows in tables(found) for row in rows)


def test_every_row_of_the_tables_is_as_wide_as_its_head() -> None:
    found = tables(said({"none": FAR, "bm25": [NEAR, FAR], "recent": NEAR}, "none"))
    for columns, rows in found:
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    assert [row[0] for row in found[2][1]] == ["Bm25", "Recent"]


def test_numbers_are_plain_and_short() -> None:
    assert plain({"a": (1 / 3, -0.0), "b": [None, True, 3]}) == {
        "a": [0.333333333333, 0.0],
        "b": [None, True, 3],
    }
    assert str(plain(-0.0)) == "0.0"


def test_demonstrations_are_pooled_over_the_rows_of_one_model_only() -> None:
    told = {"a": 1.0}
    rows = {name: [[cell(1, effects=told)] for _ in range(12)] for name in ("small", "large", "also small")}
    cells = grid(rows)
    models = ("one", "two", "one")
    described = [replace(row, values={"model": model}) for row, model in zip(cells.rows, models, strict=True)]
    cells = replace(cells, rows=tuple(described))
    for reference, pooled in (("small", ["small", "also small"]), ("large", ["large"])):
        found = answer(cells, NOTHING_KNOWN, reference)["across_users"]
        assert found["rows"] == pooled
