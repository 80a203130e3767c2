"""Whom demonstrations help, and gates, on a tiny model: learned from earlier purchases only."""

from dataclasses import replace

import pytest

from db import runs
from db.errors import BadInput
from engine.context import Engine
from engine.progress import quiet
from engine.studies.experiments import run as experiments
from engine.studies.experiments.gate import PASS, REGRESSION
from engine.studies.experiments.gated import gated, only_row, quality_of
from engine.studies.experiments.grid import laid_out
from engine.studies.experiments.where_they_help import FEATURES, where_they_help
from tests.engine.studies.experiments.test_run import GRID

PLAIN = replace(GRID, draws=1, baselines=None, copies=None, demos=("none", "neighbours:2"))


def test_the_rule_is_learned_from_the_purchase_before_the_one_it_is_judged_on(engine: Engine) -> None:
    found = where_they_help(engine, PLAIN, "none", "neighbours:2", quiet)
    assert found["validation"] == "past purchases"
    assert found["users"] == found["fitted_on"] == PLAIN.users
    asked = [runs.get(engine.store, row.key).request.target for row in runs.listing(engine.store)]
    assert sorted(set(asked)) == ["probe", "test"]
    cells = experiments.stored(engine, laid_out(engine, PLAIN))
    for arm, row in (("always", "neighbours:2"), ("never", "none")):
        assert found["arms"][arm]["mean"] == pytest.approx(cells.mean(row, "ndcg10").mean())


def test_where_the_experiment_is_on_earlier_purchases_folds_of_users_judge(engine: Engine) -> None:
    found = where_they_help(engine, replace(PLAIN, target="probe"), "none", "neighbours:2", quiet)
    assert "folds" in found["validation"]


def test_features_do_not_know_the_target(engine: Engine) -> None:
    assert not any("target" in name for name in FEATURES)


@pytest.mark.parametrize("rows", [("none", "none"), ("none", "missing"), ("popularity", "none")])
def test_rows_that_are_none_are_refused(engine: Engine, rows: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match=f"{rows[0]}|{rows[1]}"):
        where_they_help(engine, PLAIN, *rows, quiet)


def test_a_gate_passes_what_did_not_change_and_stops_what_fell(engine: Engine) -> None:
    many = replace(PLAIN, users=12, baselines=("popularity",))
    result = experiments.run(engine, many, quiet)
    assert only_row(result) == "neighbours:2"
    cells = experiments.stored(engine, laid_out(engine, many))
    told = quality_of(engine.store, result, "none")
    assert list(told.values()) == pytest.approx(cells.mean("none", "ndcg10").tolist())
    assert gated(engine.store, result, "none", result, "none", None, 0.0)["verdict"] == PASS
    assert gated(engine.store, result, "none", None, "none", 1.0, None)["verdict"] == REGRESSION
    with pytest.raises(BadInput, match="is no row"):
        gated(engine.store, result, "nothing", None, "", 0.1, None)
    other = {**result, "request": {**result["request"], "seed": 5}}
    with pytest.raises(BadInput, match="different lists: seed is 0, was 5"):
        gated(engine.store, result, "none", other, "none", None, 0.1)
