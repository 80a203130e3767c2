"""Preference pairs: per user the demonstration set that helped a model most and the one that helped it least.

Each line has `prompt`, `chosen` and `rejected` as text, the form that preference tuning takes (DPO, arXiv
2305.18290; pairs of prompts for a recommender as in arXiv 2410.05939), to tune a model that proposes
demonstrations. Sets are judged by the log-likelihood of the user's probe, the purchase before the last: the
last one, which evaluation asks for, is never read, and every demonstration was known before the probe.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db import datasets, demonstrations
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests.strategy_spec import MOST
from engine.context import Engine
from engine.data.confinement import refuse_store
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import PoolEntry, Query
from engine.evaluation.users import drawn_users
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.progress import Report, quiet
from engine.prompts import PLAIN, Segment
from engine.prompts.segments import written

STRATEGIES = ("neighbours", "proximal", "recent", "bm25")
RANDOM = 3  # random sets judged beside those
QUESTION = "Purchases of shoppers from which the next one can be learnt:\n\n"


@dataclass(frozen=True)
class Judged:
    """A demonstration set in prompt order and the log-likelihood (nats) of the probe's title behind it."""

    name: str
    entries: tuple[PoolEntry, ...]
    log_likelihood: float


def export(
    engine: Engine,
    dataset_name: str,
    out: Path,
    *,
    model: str = "embedded",
    users: int = 100,
    size: int = 4,
    seed: int = 0,
    report: Report = quiet,
) -> dict[str, Any]:
    """Write one JSON line per user to `out` (replaced in one step) and return what was done.

    Users whose sets are all one, or all equally good, have no pair and are left out. `report` may raise to
    stop; `out` is then as it was. Raises BadInput, NotFound, ModelError or OutOfMemory.
    """
    if users < 1 or not 1 <= size <= MOST:
        raise BadInput(f"users is {users} and size {size}: at least 1 user, 1 to {MOST} in a set.")
    if out.is_dir():
        raise BadInput(f"out: {out} is a folder; name a file in it.")
    refuse_store(out)
    dataset = datasets.get(engine.store, dataset_name)
    drawn = drawn_users(datasets.columns(engine.store, dataset.id), users, seed, "probe")
    if not drawn:
        raise BadInput(f"Nobody in {dataset.name!r} has a history long enough for the probe.")
    loaded = engine.load(engine.registered(model))
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f"{out.name}.{os.getpid()}.new")
    gaps: list[float] = []
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            for done, user_id in enumerate(drawn):
                report(done / len(drawn), f"user {done + 1} of {len(drawn)}")
                if (row := pair(engine, dataset, loaded, user_id, size, seed)) is not None:
                    gaps.append(row["chosen_log_likelihood"] - row["rejected_log_likelihood"])
                    file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        os.replace(fresh, out)
    finally:
        fresh.unlink(missing_ok=True)
    return {
        "out": str(out),
        "dataset": dataset.name,
        "model": loaded.name,
        "users": len(drawn),
        "pairs": len(gaps),
        "mean_gap_nats": sum(gaps) / len(gaps) if gaps else None,
    }


def pair(
    engine: Engine, dataset: DatasetInfo, loaded: LoadedModel, user_id: str, size: int, seed: int
) -> dict[str, Any] | None:
    """The line of one user; None where no set is better than another."""
    query = queries.build(engine.store, dataset, user_id, "probe")
    zero, judged = _judged(engine, dataset, loaded, query, size, seed)
    if len(judged) < 2:
        return None
    best = max(judged, key=lambda judged_set: judged_set.log_likelihood)
    worst = min(judged, key=lambda judged_set: judged_set.log_likelihood)
    if best.log_likelihood <= worst.log_likelihood:
        return None
    # So that a line's ids name demonstrations that a run can be asked for.
    demonstrations.save_many(engine.store, [e.demonstration for e in (*best.entries, *worst.entries)])
    shown = Segment("query", 0, PLAIN.form("sum").query([purchase.title for purchase in query.history]))
    bought = shown.text.rpartition("Next:\n")[0]
    return {
        "prompt": f"{bought}\n{QUESTION}",
        "chosen": _text(best),
        "rejected": _text(worst),
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "user": user_id,
        "probe": query.target.item_id,
        "model": loaded.name,
        "model_revision": loaded.revision,
        "chosen_strategy": best.name,
        "rejected_strategy": worst.name,
        "chosen_ids": [entry.demonstration.id for entry in best.entries],
        "rejected_ids": [entry.demonstration.id for entry in worst.entries],
        "chosen_log_likelihood": best.log_likelihood,
        "rejected_log_likelihood": worst.log_likelihood,
        "zero_shot_log_likelihood": zero,
    }


def _judged(
    engine: Engine, dataset: DatasetInfo, loaded: LoadedModel, query: Query, size: int, seed: int
) -> tuple[float, list[Judged]]:
    """The probe's log-likelihood without demonstrations, and every different set with its own."""
    judged: dict[tuple[str, ...], Judged] = {}
    zero = 0.0
    for name, entries in _sets(engine, dataset, query, size, seed):
        ids = tuple(entry.demonstration.id for entry in entries)
        if not ids or ids in judged:
            continue
        task = Task(
            demos=tuple(entry.example for entry in entries),
            history=tuple(purchase.title for purchase in query.history),
            candidates=(query.target.title,),
            target=0,
        )
        ranked = rank_candidates(loaded, task, engine.prefills)
        zero = ranked.scores_zero_shot[0]
        if len(ranked.kept) == len(entries):  # a set that does not fit would be judged by a part of it
            judged[ids] = Judged(name, tuple(entries), ranked.scores[0])
    return zero, list(judged.values())


def _sets(
    engine: Engine, dataset: DatasetInfo, query: Query, size: int, seed: int
) -> Iterator[tuple[str, list[PoolEntry]]]:
    for name in STRATEGIES:
        yield name, selection.choose(engine.store, dataset, query, f"{name}:{size}", seed)
    for draw in range(seed, seed + RANDOM):
        yield "random", selection.choose(engine.store, dataset, query, f"random:{size}", draw)


def _text(judged: Judged) -> str:
    """The set as it stands in a prompt."""
    shown = PLAIN.form("sum")
    return "".join(written(shown.demo(entry.example)) for entry in judged.entries)
