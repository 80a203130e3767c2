"""The frontier: nothing on it is beaten, everything off it is, and the cheapest keeps the quality."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.statistics import paired_tests
from engine.studies.experiments.frontier import PICKED, frontier, table
from engine.studies.pairwise_tests import MARGIN, not_inferior
from tests.support.grid import cell, grid

RNG = np.random.Generator(np.random.PCG64(0))
RANKS = RNG.integers(1, 12, 60)


def priced(rows: dict[str, tuple[list[int], float]], unit: str = "tokens") -> dict:
    """Rows of ranks and a cost, as a frontier."""
    cells = {
        key: [[cell(int(rank), **{unit: cost})] for rank in ranks] for key, (ranks, cost) in rows.items()
    }
    found = frontier(grid(cells), unit)
    assert found is not None
    return found


def test_the_cheapest_row_of_equal_quality_is_taken() -> None:
    found = priced(
        {
            "long": (RANKS, 800),
            "short": (RANKS, 200),
            "none": (RANKS + 8, 90),
        }
    )
    assert (found["best"], found["cheapest"]) == ("long", "short")
    assert [(row["key"], row["on"]) for row in found["rows"]] == [
        ("none", True),
        ("short", True),
        ("long", False),
    ]
    assert found["test"]["mean"] == 0
    assert "the cheapest row that keeps it is Short" in found["said"]
    assert "at 200 tokens: not inferior by a margin of 0.02" in found["said"]
    assert found["said"].endswith(PICKED)
    assert json.loads(json.dumps(found)) == found
    assert table(found)[1][2][-1] == "highest"


def test_what_might_be_worse_does_not_count_as_keeping_quality() -> None:
    """Ten users who differ much: no interval is as narrow as the margin."""
    rng = np.random.Generator(np.random.PCG64(2))
    found = priced({"long": (rng.integers(1, 8, 10), 800), "short": (rng.integers(1, 9, 10), 200)})
    assert found["cheapest"] == found["best"]
    assert found["test"] is None or found["best"] == "short"


def test_no_cheaper_row_keeps_it() -> None:
    found = priced({"long": (np.ones(30, int), 800), "none": (RANKS[:30] + 8, 90)})
    assert (found["best"], found["cheapest"], found["test"]) == ("long", "long", None)
    assert found["said"].endswith("no cheaper row is shown to stay within 0.02 of it.")


def test_time_is_in_milliseconds() -> None:
    found = priced({"slow": (RANKS, 0.5), "fast": (RANKS, 0.004)}, "seconds")
    assert [row["cost"] for row in found["rows"]] == pytest.approx([4.0, 500.0])
    assert "at 4 ms" in found["said"]


def test_rows_without_a_prompt_are_left_out_and_nothing_is_nothing() -> None:
    cells = grid({"bm25": [[cell(1)]], "llm": [[cell(2, tokens=30)]]})
    found = frontier(cells)
    assert found is not None
    assert [row["key"] for row in found["rows"]] == ["llm"]
    assert "no other row" in found["said"]
    assert frontier(cells, "seconds") is None


@given(st.lists(st.tuples(st.integers(1, 11), st.integers(1, 4)), min_size=1, max_size=6))
@settings(max_examples=20)
def test_only_what_is_beaten_is_off_the_frontier(points: list[tuple[int, int]]) -> None:
    rows = priced({f"r{place}": ([rank] * 6, cost) for place, (rank, cost) in enumerate(points)})["rows"]
    for row in rows:
        beaten = [
            other
            for other in rows
            if other["cost"] <= row["cost"]
            and other["ndcg10"] >= row["ndcg10"]
            and (other["cost"], other["ndcg10"]) != (row["cost"], row["ndcg10"])
        ]
        assert row["on"] == (not beaten)
    assert any(row["on"] for row in rows)


def test_a_row_worse_by_the_margin_passes_in_one_of_forty() -> None:
    """The lower end of a 95 % interval lies above the truth with a chance of 2.5 %."""
    rng = np.random.Generator(np.random.PCG64(5))
    tests = paired_tests(-MARGIN + rng.normal(0, 0.1, (1000, 40)))
    assert np.mean([not_inferior(test) for test in tests]) == pytest.approx(0.025, abs=0.015)
