"""Whether the other methods of the field help: NDCG@10 of held-out targets, paired with the plain run.

The same users are ranked under edits of the dual model, after iterative forward tuning and with a small
model's choice out of a wider pool; or with other prompt templates. Runs are kept in the workspace like any
other.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from db import datasets
from db.choices import TEMPLATES
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Engine
from engine.evaluation.statistics import paired_tests, together
from engine.evaluation.users import drawn_users
from engine.tasks.forward_tuning import forward
from engine.tasks.rank import rank

PLAIN = "plain"
CHOSEN = "forward (chosen)"
"""Forward tuning that stops at the iteration which the last known purchase chooses."""

METHODS: dict[str, dict[str, Any]] = {
    "ridge:0.2": {"perturb": "ridge:0.2"},
    "ridge:0.5": {"perturb": "ridge:0.5"},
    "negatives:0.5": {"perturb": "negatives:0.5"},
    "negatives:2": {"perturb": "negatives:2"},
    "weights:0.5": {"perturb": "weights:0.5"},
    "dropout:0.25": {"perturb": "dropout:0.25"},
    "values:0.1": {"perturb": "values:0.1"},
    "order": {"perturb": "order"},
    "typos:0.1": {"perturb": "typos:0.1"},
    "truncation:0.3": {"perturb": "truncation:0.3"},
    "forward:2": {"forward": 2},
    "forward:8": {"forward": 8},
    "prescore": {"prescore": "embedded"},
}
ALL = (*METHODS, CHOSEN)
PROMPTS: dict[str, dict[str, Any]] = {
    **{f"template:{name}": {"template": name} for name in TEMPLATES if name != PLAIN},
    "turns:chat": {"turns": "chat"},
}
"""Other ways to write the prompt; measured where they are asked for."""
_WIDER = 10  # users drawn per wanted user, where only those who disliked something count


def method_gains(
    engine: Engine,
    dataset: str,
    model: str,
    demos: str,
    users: int,
    seed: int,
    methods: Sequence[str],
    disliked: bool,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Mean NDCG@10 and loss (nats) of every method, and its difference to the plain run with interval and p.

    disliked: only users who rated something low, so that negatives apply. Raises BadInput for a method that
    is neither in `ALL` nor in `PROMPTS`.
    """
    known = (*ALL, *PROMPTS)
    if unknown := [name for name in methods if name not in known]:
        raise BadInput(f"Unknown method {unknown[0]!r}; the methods are {', '.join(known)}.")
    columns = datasets.columns(engine.store, datasets.get(engine.store, dataset).id)
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in (PLAIN, *methods)}
    seconds = dict.fromkeys(values, 0.0)
    for user_id in drawn_users(columns, _WIDER * users if disliked else users, seed):
        report(f"Ranking user {user_id}")
        request = RunRequest(dataset, user_id, model, demos=demos, seed=seed, turns="one")
        try:
            measured = {name: _timed(engine, request, name) for name in values}
        except BadInput:
            if not disliked:
                raise
            continue  # this user disliked nothing
        for name, (ndcg, loss, took) in measured.items():
            values[name].append((ndcg, loss))
            seconds[name] += took
        if len(values[PLAIN]) == users:
            break
    if not values[PLAIN]:
        raise BadInput(f"No user of {dataset!r} can be ranked under these methods.")
    return {
        "bench": "methods",
        "dataset": dataset,
        "model": model,
        "demos": demos,
        "seed": seed,
        "users": len(values[PLAIN]),
        "rows": rows(values, seconds),
    }


def _timed(engine: Engine, request: RunRequest, method: str) -> tuple[float, float, float]:
    """NDCG@10 and loss (nats) of the held-out target, and seconds."""
    started = time.perf_counter()
    if method == CHOSEN:
        tuned = forward(engine, request)
        ndcg, loss = tuned["metrics"]["ndcg10"], tuned["curve"][tuned["chosen"]]["loss"]
    else:
        ranked = rank(engine, replace(request, **{**METHODS, **PROMPTS}.get(method, {}))).result
        ndcg, loss = ranked["metrics"]["ndcg10"], ranked["loss"]
    return ndcg, loss, time.perf_counter() - started


def rows(
    values: Mapping[str, Sequence[tuple[float, float]]], seconds: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Means of every method, of (NDCG@10, loss) per user, and its difference from the plain run; that of the
    plain run itself is None."""
    measured = {name: np.array(row) for name, row in values.items()}  # each [users, 2]
    methods = [name for name in measured if name != PLAIN]
    gains = [measured[name][:, 0] - measured[PLAIN][:, 0] for name in methods]
    tests = dict(zip(methods, together(paired_tests(np.array(gains))) if gains else [], strict=True))
    return [
        {
            "method": name,
            "ndcg10": float(row[:, 0].mean()),
            "difference": tests.get(name, {}).get("mean"),
            **{part: tests.get(name, {}).get(part) for part in ("low", "high", "p", "p_holm")},
            "loss": float(row[:, 1].mean()),
            "seconds_per_user": seconds[name] / len(row),
        }
        for name, row in measured.items()
    ]
