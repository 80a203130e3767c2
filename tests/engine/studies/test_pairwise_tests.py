"""Who is surely best, what is beyond chance, and within which margin two-stage optimization is."""

import numpy as np
import pytest

from db.choices import STRATEGIES
from engine.studies import pairwise_tests
from engine.studies.pairwise_tests import (
    best_of,
    claim,
    p_of,
    pairwise,
)

RNG = np.random.Generator(np.random.PCG64(0))
NOISE = 0.02 * RNG.normal(size=(4, 120))
NOISE -= NOISE.mean(axis=1, keepdims=True)


def cells(**means: float) -> dict[str, dict[str, np.ndarray]]:
    """Strategies with these means, on users who differ little."""
    return {
        name: dict.fromkeys(pairwise_tests.MEASURES, mean + NOISE[place])
        for place, (name, mean) in enumerate(means.items())
    }


def verdict(**means: float) -> tuple[str, dict[str, bool]]:
    values = cells(**means)
    best = best_of(values)
    return claim("toys", values, best, pairwise(values, best, 0))


@pytest.mark.parametrize(
    "none, bm25, twostage, best_is_sure, to_none, to_all",
    [
        (0.4, 0.5, 0.6, True, True, True),
        (0.4, 0.6, 0.5, True, True, False),
        (0.6, 0.5, 0.5, True, False, False),
        (0.6, 0.5, 0.6, False, True, True),
        (0.4, 0.6, 0.6, False, True, True),
        (0.6, 0.5, 0.592, True, True, True),  # surely worse than none, and by less than the margin
        (0.6, 0.5, 0.58, True, False, False),  # by as much as the margin: not shown
    ],
)
def test_the_verdicts(
    none: float, bm25: float, twostage: float, best_is_sure: bool, to_none: bool, to_all: bool
) -> None:
    said, holds = verdict(none=none, bm25=bm25, twostage=twostage)
    assert holds == {
        "best_is_sure": best_is_sure,
        "not_inferior_to_none": to_none,
        "not_inferior_to_all": to_all,
    }
    assert said.startswith("Best on toys is") == best_is_sure
    assert ("which strategy is best is not sure" in said) == (not best_is_sure)
    assert ("not inferior to any of the other 2 strategies by a margin of 0.02" in said) == to_all
    assert "level with" not in said


def test_no_clear_difference_is_no_evidence_of_being_as_good() -> None:
    """Twelve users who differ much: nothing is significant, and nothing is claimed either."""
    rng = np.random.Generator(np.random.PCG64(1))
    values = {
        name: dict.fromkeys(pairwise_tests.MEASURES, rng.random(12)) for name in ("none", "bm25", "twostage")
    }
    best = best_of(values)
    tested = pairwise(values, best, 0)
    assert all(test["ndcg10"]["p"] > 0.05 for test in tested)
    said, holds = claim("toys", values, best, tested)
    assert holds == {"best_is_sure": False, "not_inferior_to_none": False, "not_inferior_to_all": False}
    assert "not shown to be within 0.02 of any other strategy" in said


def test_the_margin_is_missed_for_those_named() -> None:
    said, _ = verdict(none=0.4, bm25=0.6, mmr=0.45, twostage=0.5)
    assert "not inferior to 2 of the other 3 strategies by a margin of 0.02" in said
    assert said.count("not shown for BM25.") == 1


def test_without_two_stage_only_the_best_is_told() -> None:
    said, holds = verdict(none=0.4, bm25=0.6)
    assert holds == {"best_is_sure": True}
    assert said.startswith("Best on toys is BM25, NDCG@10 0.600: significantly above the other 1")
    assert "Its difference from no demonstrations: +0.200 (" in said
    assert "no demonstrations" not in verdict(random=0.4, bm25=0.6)[0]
    assert "nothing to compare" in verdict(bm25=0.6)[0]


def test_the_best_of_many_equal_ones_is_not_called_best() -> None:
    """Ten strategies without any difference: the one that happens to be on top is not surely the best."""
    wrongly = 0
    for seed in range(20):
        rng = np.random.Generator(np.random.PCG64(seed))
        values = {name: {"ndcg10": rng.random(40), "hr1": rng.random(40)} for name in list(STRATEGIES)[:10]}
        best = best_of(values)
        wrongly += claim("toys", values, best, pairwise(values, best, 0))[1]["best_is_sure"]
    assert wrongly == 0


def test_every_pair_is_tested_once_and_p_are_of_the_right_pair() -> None:
    values = cells(none=0.4, random=0.4, bm25=0.5, mmr=0.6)
    tested = pairwise(values, "mmr", 0)
    pairs = [(test["better"], test["than"]) for test in tested]
    assert len(set(pairs)) == len(pairs) == 4 * 4 - 4
    row = p_of("random", "mmr", tested)
    assert row["p_random"] is None
    assert row["p_zero_shot"] > 0.05 > row["p_bm25"]  # type: ignore[operator]
    assert row["p_best"] == pytest.approx(1e-4, rel=0.1)
    found = {(t["better"], t["than"]): t["ndcg10"]["mean"] for t in tested}
    assert found["bm25", "random"] == pytest.approx(0.1, abs=0.01)
    assert p_of("mmr", "mmr", tested)["p_best"] is None
    assert p_of("mmr", "mmr", tested)["p_best_holm"] is None
    assert row["p_best_holm"] == pytest.approx(6e-4, rel=0.1)  # of six pairs
    assert found["random", "bm25"] == -found["bm25", "random"]
