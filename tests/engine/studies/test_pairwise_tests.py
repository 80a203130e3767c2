"""Who is best, what is beyond chance, and the verdict on two-stage optimization."""

import numpy as np
import pytest

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


def verdict(**means: float) -> tuple[str, dict[str, bool] | None]:
    values = cells(**means)
    best = best_of(values)
    return claim("toys", values, best, pairwise(values, best, 0))


@pytest.mark.parametrize(
    "none, bm25, twostage, never_worse, best_or_tied",
    [
        (0.4, 0.5, 0.6, True, True),
        (0.4, 0.6, 0.5, True, False),
        (0.6, 0.5, 0.5, False, False),
        (0.6, 0.5, 0.6, True, True),
        (0.4, 0.6, 0.6, True, True),
    ],
)
def test_the_two_verdicts(
    none: float, bm25: float, twostage: float, never_worse: bool, best_or_tied: bool
) -> None:
    said, holds = verdict(none=none, bm25=bm25, twostage=twostage)
    assert holds == {"never_worse": never_worse, "best_or_tied": best_or_tied}
    assert ("not significantly worse than" in said) == never_worse
    assert ("significantly behind" in said) == (not best_or_tied)


def test_worse_by_one_measure_alone_is_worse() -> None:
    values = cells(none=0.5, bm25=0.3, twostage=0.55)
    values["twostage"] = {"ndcg10": values["twostage"]["ndcg10"], "hr1": values["none"]["hr1"] - 0.1}
    said, holds = claim("toys", values, "twostage", pairwise(values, "twostage", 0))
    assert holds == {"never_worse": False, "best_or_tied": True}
    assert "significantly worse (by HR@1) than no" in said


def test_without_two_stage_only_the_best_is_told() -> None:
    said, holds = verdict(none=0.4, bm25=0.6)
    assert holds is None
    assert said.startswith("Best on toys is BM25, NDCG@10 0.600, +0.200 (")
    assert "against no demonstrations" in said
    assert "against" not in verdict(random=0.4, bm25=0.6)[0]


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
