"""How well a baseline ranks the target among the stored candidate lists the LLM is ranked on, as JSON."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput
from db.settings import Settings
from db.store import Store
from engine.baselines.fitting import RULE, RULE_UNTIMED, baseline, fitted, limit_hit, trained_until
from engine.baselines.scorer import Scorer, training_report
from engine.data.candidates import candidate_list
from engine.demos import query as queries
from engine.evaluation.metrics import Standing, metrics, standing
from engine.evaluation.statistics import interval
from engine.evaluation.users import drawn_users
from engine.progress import give_way

MEASURES = ("ndcg10", "hr1", "hr10", "mrr")


@dataclass(frozen=True)
class Evaluation:
    """Where each user's target stands, users in the order asked."""

    user_ids: list[str]
    standings: list[Standing]
    seed: int

    def values(self, measure: str) -> NDArray[np.float64]:
        """A measure per user [users]; `measure` as named by `engine.evaluation.metrics`."""
        return np.array([metrics(stands)[measure] for stands in self.standings])

    @property
    def ranks(self) -> dict[str, float]:
        """The expected rank (1 = best) of each user's target."""
        return {user: stands.rank for user, stands in zip(self.user_ids, self.standings, strict=True)}

    @property
    def tied(self) -> float:
        """The share of targets that are tied with another candidate."""
        return sum(stands.tied > 0 for stands in self.standings) / len(self.standings)

    def summary(self) -> dict[str, dict[str, float | list[float]]]:
        """Mean and 95 % interval of every measure."""
        rows: dict[str, dict[str, float | list[float]]] = {}
        for measure in MEASURES:
            values = self.values(measure)
            low, high = interval(values, self.seed)
            rows[measure] = {"mean": float(values.mean()), "interval": [low, high]}
        return rows


def evaluate(
    scorer: Scorer,
    store: Store,
    dataset: DatasetInfo,
    users: Sequence[str],
    candidates: int = 20,
    seed: int = 0,
    *,
    kind: str = "random",
    target: str = "test",
) -> Evaluation:
    """Rank each user's target among the stored list of `candidates` items (drawn and stored if new).

    The scorer is given the whole history before the target and the moment of the target, never the target.
    Raises NotFound for an unknown user and BadInput for one without this target.
    """
    standings = []
    for user_id in users:
        give_way()
        query = queries.build(store, dataset, user_id, target, history=1)
        listed = candidate_list(
            store, dataset, query.user, query.target_position, kind, candidates, seed
        ).items
        history = datasets.bought(store, dataset.id, query.user, query.target_position)
        scores = scorer.scores(history, listed, query.target_timestamp)
        standings.append(standing(scores.tolist(), listed.index(query.target.item)))
    return Evaluation(list(users), standings, seed)


def run_baseline(
    store: Store,
    dataset_name: str,
    kind: str,
    users: int = 300,
    seed: int = 0,
    *,
    candidates: int = 20,
    candidate_kind: str = "random",
    target: str = "test",
    settings: Settings | None = None,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Fit the baseline, rank `users` users' targets, return settings, metrics and seconds, ready for JSON.

    `settings`: of the workspace that keeps the fitted baseline and its checkpoint; an equal request then fits
    nothing, and a stopped one resumes. None keeps nothing. `minutes`: of training, at most; None trains to
    the early stop. Only candidate lists are written to the store. Raises BadInput for an unknown kind and a
    data set in which nobody has the target, NotFound for an unknown data set.
    """
    dataset = datasets.get(store, dataset_name)
    columns = datasets.columns(store, dataset.id)
    drawn = users_of(dataset, columns, [kind], users, seed, target)
    row, evaluation = measured(
        store,
        dataset,
        columns,
        kind,
        drawn,
        seed,
        candidates=candidates,
        candidate_kind=candidate_kind,
        target=target,
        settings=settings,
        minutes=minutes,
    )
    return {
        "dataset": dataset.name,
        "simulated": dataset.simulated,
        "kind": kind,
        "target": target,
        "users": len(drawn),
        "candidates": candidates,
        "candidate_kind": candidate_kind,
        "seed": seed,
        **row,
        "ranks": evaluation.ranks,
        "rule": rule(columns),
    }


def users_of(
    dataset: DatasetInfo,
    columns: DatasetColumns,
    kinds: Sequence[str],
    users: int,
    seed: int,
    target: str = "test",
) -> list[str]:
    """The users all these kinds may be asked about. BadInput where there are none, and for unknown kinds."""
    for kind in kinds:
        baseline(kind)
    if users < 1:
        raise BadInput(f"users is {users}; at least 1 is needed.")
    moments = [moment for kind in kinds if (moment := trained_until(columns, kind, target)) is not None]
    drawn = drawn_users(columns, users, seed, target, max(moments, default=None))
    if not drawn:
        raise BadInput(f"Nobody in {dataset.name!r} has a history long enough for the {target} target.")
    return drawn


def measured(
    store: Store,
    dataset: DatasetInfo,
    columns: DatasetColumns,
    kind: str,
    users: Sequence[str],
    seed: int,
    *,
    candidates: int,
    candidate_kind: str,
    target: str,
    settings: Settings | None,
    minutes: float | None,
) -> tuple[dict[str, Any], Evaluation]:
    """What a baseline knows, reaches and took, ready for JSON; and where each user's target stands."""
    started = time.perf_counter()
    fit = fitted(dataset, lambda: columns, kind, seed, target, settings, minutes)
    fit_s = time.perf_counter() - started
    started = time.perf_counter()
    evaluation = evaluate(
        fit.scorer, store, dataset, users, candidates, seed, kind=candidate_kind, target=target
    )
    row = {
        "fitted_on": fit.on,
        "metrics": evaluation.summary(),
        "tied": evaluation.tied,
        "fit": training_report(fit.scorer),
        "notes": [said] if (said := limit_hit(fit.scorer)) else [],
        "loaded": fit.loaded,
        "seconds": {"fit": fit_s, "evaluate": time.perf_counter() - started},
    }
    return row, evaluation


def rule(columns: DatasetColumns) -> str:
    """What may be known of when, in a sentence."""
    return RULE_UNTIMED if columns.timestamp is None else RULE
