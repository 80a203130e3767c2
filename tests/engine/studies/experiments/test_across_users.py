"""Demonstrations over users: who counts, what is beyond chance, and what simulated effects give."""

import json

import numpy as np
import pytest
import scipy.stats

from engine.evaluation.statistics import difference, holm
from engine.studies.experiments.across_users import LEAST, across_users, table
from engine.studies.experiments.cells import Cells
from tests.support.grid import cell, grid

RNG = np.random.Generator(np.random.PCG64(0))


def shown(effects: list[dict[str, float]]) -> Cells:
    """One row; of each user the effects of what is shown."""
    return grid({"demos": [[cell(1, effects=of)] for of in effects]})


def found_in(effects: list[dict[str, float]], **more) -> dict:
    found = across_users(shown(effects), **more)
    assert found is not None
    return found


def test_true_effects_are_found_and_noise_is_not() -> None:
    truth = {"helps": 0.3, "hurts": -0.3, "nothing": 0.0}
    noise = RNG.normal(0, 0.2, (40, 3))
    noise -= noise.mean(axis=0)  # one of twenty draws of it would be called an effect
    effects = [dict(zip(truth, row, strict=True)) for row in (list(truth.values()) + noise).tolist()]
    found = found_in(effects)
    assert (found["helps"], found["hurts"]) == (["helps"], ["hurts"])
    assert [row["id"] for row in found["demonstrations"]] == ["helps", "nothing", "hurts"]
    assert found["said"].startswith(
        "Of 3 demonstrations, 3 were shown to at least 10 users: 1 help and 1 hurt"
    )
    assert json.loads(json.dumps(found)) == found


def test_each_is_tested_over_its_own_users() -> None:
    effects = [
        {"all": float(RNG.normal())} | ({"some": float(RNG.normal())} if u % 2 else {}) for u in range(30)
    ]
    found = {row["id"]: row for row in found_in(effects, seed=4)["demonstrations"]}
    for name in ("all", "some"):
        values = np.array([of[name] for of in effects if name in of])
        alone = difference(values, np.zeros(len(values)), 4)
        assert {part: found[name][part] for part in alone} == pytest.approx(alone)
        assert (found[name]["helped"], found[name]["hurt"]) == ((values > 0).sum(), (values < 0).sum())
    assert [found[name]["p_holm"] for name in ("all", "some")] == holm(
        [found[name]["p"] for name in ("all", "some")]
    )


def test_ten_users_at_least() -> None:
    effects = [{"often": 1.0, **({"seldom": 1.0} if user < LEAST - 1 else {})} for user in range(LEAST)]
    found = found_in(effects)
    assert [row["id"] for row in found["demonstrations"]] == ["often"]
    assert (found["seen"], found["helps"]) == (2, ["often"])
    assert "None of the 1 demonstrations" in found_in(effects[-1:])["said"]


def test_a_user_counts_once_however_many_rows_and_draws_show_it() -> None:
    draws = [[cell(1, effects={"d": 1.0}), cell(1, effects={})] for _ in range(LEAST)]
    other = [[cell(1, effects={"d": 3.0}), cell(1, effects={"d": 5.0})] for _ in range(LEAST)]
    cells = grid({"a": draws, "b": other, "bm25": [1] * LEAST})
    found = across_users(cells)
    assert found is not None
    assert (found["demonstrations"][0]["mean"], found["demonstrations"][0]["n"]) == (3.0, LEAST)
    assert found["rows"] == ["a", "b"]
    only = across_users(cells, ["a"])
    assert only is not None
    assert only["demonstrations"][0]["mean"] == 1.0


def test_without_effects_there_is_nothing_to_say() -> None:
    assert across_users(grid({"demos": [1, 2, 3]})) is None


def test_the_p_is_near_that_of_wilcoxon_and_student() -> None:
    values = 0.1 + RNG.normal(0, 0.3, 30)
    p = found_in([{"d": float(value)} for value in values])["demonstrations"][0]["p"]
    assert p == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_of_many_without_effect_seldom_is_any_called_one() -> None:
    rng, false = np.random.Generator(np.random.PCG64(1)), 0
    for _ in range(40):
        effects = [{f"d{place}": float(rng.normal()) for place in range(20)} for _ in range(15)]
        found = found_in(effects)
        false += bool(found["helps"] or found["hurts"])
    assert false <= 6  # 2 are expected; 7 or more have a chance of 0.3 %


def test_a_long_table_shows_both_ends() -> None:
    effects = [{f"d{place:02}": float(place - 15) for place in range(30)} for _ in range(LEAST)]
    rows = table(found_in(effects))[1]
    assert [row[0] for row in rows][:2] + [row[0] for row in rows][-1:] == ["d29", "d28", "d00"]
    assert len(rows) == 20
