"""What the embedded model reaches: ``python -m engine.tuning.evaluate_embedded --users 300``.

NDCG@10 over the target and 19 random negatives, on shoppers of a simulated store that no training world
shares rules with, or of a folder or file of real data (``--data PATH``): without demonstrations, with 4
neighbours' windows, with 8, with 4 random ones, and item-kNN on the same lists. The engine's own strategies,
prompts and scores are used, so this is what the product does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.settings import Settings
from db.store import Store
from engine.baselines import itemknn
from engine.data.candidates import candidate_list
from engine.data.importing import import_path
from engine.data.simulated import simulate
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import Query
from engine.evaluation.metrics import metrics, standing
from engine.evaluation.statistics import interval, paired_tests, together
from engine.evaluation.users import drawn_users
from engine.llm.loading.load import LoadedModel, load
from engine.llm.scoring.ranking import Scoring, Task, rank_all
from engine.prompts import Example

EMBEDDED = Path(__file__).parents[1] / "embedded"
SETTINGS = ("neighbours:4", "neighbours:8", "random:4")
CANDIDATES = 20


def evaluate(
    loaded: LoadedModel,
    store: Store,
    dataset: DatasetInfo,
    columns: DatasetColumns,
    users: int,
    seed: int = 0,
    specs: Sequence[str] = SETTINGS,
    scoring: Scoring = "calibrated",
) -> dict[str, np.ndarray]:
    """NDCG@10 per user ``[users]`` of ``none``, each of ``specs`` and ``item-kNN``, on the same lists."""
    # Plain cosine; every purchase may count that lies before the moment a score is asked for. Where there are
    # no moments, everybody's last purchase is held out instead.
    known = np.ones(len(columns.user), dtype=bool)
    if columns.timestamp is None:
        known = np.append(columns.user[1:] == columns.user[:-1], False)
    knn = itemknn.buyers_by_item(columns, known, shrinkage=0.0)
    table: dict[str, list[float]] = {name: [] for name in ("none", *specs, "item-kNN")}
    for user_id in drawn_users(columns, users, seed):
        query = queries.build(store, dataset, user_id)
        listed = candidate_list(
            store, dataset, query.user, query.target_position, "random", CANDIDATES, seed
        ).items
        place = listed.index(query.target.item)
        tasks = [
            replace(_task(store, dataset, columns, query, spec, listed, seed), scoring=scoring)
            for spec in specs
        ]
        results = rank_all(loaded, tasks)
        for spec, result in zip(specs, results, strict=True):
            table[spec].append(_ndcg(result.scores, place))
        table["none"].append(_ndcg(results[-1].scores_zero_shot, place))
        table["item-kNN"].append(
            _ndcg(
                knn.scores([i.item for i in query.history], listed, before=query.target.timestamp).tolist(),
                place,
            )
        )
    return {name: np.array(values) for name, values in table.items()}


def _task(
    store: Store,
    dataset: DatasetInfo,
    columns: DatasetColumns,
    query: Query,
    spec: str,
    listed: Sequence[int],
    seed: int,
) -> Task:
    chosen = selection.choose(store, dataset, query, spec, seed)
    return Task(
        demos=tuple(
            Example(tuple(row.title for row in entry.history), entry.answer.title) for entry in chosen
        ),
        history=tuple(row.title for row in query.history),
        candidates=tuple(columns.titles[item] for item in listed),
        target=listed.index(query.target.item),
    )


def _ndcg(scores: Sequence[float], place: int) -> float:
    return metrics(standing(scores, place))["ndcg10"]


def summary(table: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Mean, 95 % interval and, against no demonstrations, the paired difference with interval and both p."""
    lines: dict[str, dict[str, Any]] = {
        name: {"ndcg10": _short(values.mean()), "interval": [_short(v) for v in interval(values)]}
        for name, values in table.items()
    }
    rivals = [name for name in table if name != "none"]
    tests = together(paired_tests(np.array([table[name] - table["none"] for name in rivals])))
    for name, test in zip(rivals, tests, strict=True):
        lines[name]["gain"] = _short(test["mean"])
        lines[name]["gain_interval"] = [_short(test["low"]), _short(test["high"])]
        lines[name] |= {part: _short(test[part]) for part in ("p", "p_holm")}
    return lines


def _short(value: float | None) -> float | None:
    """Four digits; too few users have no interval."""
    return None if value is None else round(float(value), 4)


def measured(
    model: Path,
    users: int,
    seed: int,
    data: Path | None = None,
    specs: Sequence[str] = SETTINGS,
    scoring: Scoring = "calibrated",
) -> dict:
    """Evaluate the model folder on ``simulate(0)`` or on imported data; what RECIPE.json keeps.

    scoring: by default what `rank` does with this model.
    """
    loaded = load(str(model))
    with tempfile.TemporaryDirectory() as home, Store.open(Settings(home=Path(home))) as store:
        if data is None:
            dataset = datasets.insert(
                store, "simulated", simulate(0), kind="simulated", source="", fingerprint="0", report={}
            )
        else:
            dataset, _ = import_path(store, data)
        table = evaluate(
            loaded, store, dataset, datasets.columns(store, dataset.id), users, seed, specs, scoring
        )
    given = "" if data is None else f" --data {data.name}"
    return {
        "command": f"python -m engine.tuning.evaluate_embedded --users {users} --seed {seed}{given}",
        "users": users,
        "candidates": CANDIDATES,
        "scoring": scoring,
        "ndcg10": summary(table),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the embedded model on unseen simulated shoppers.")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="model folder")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="draws users and candidate lists")
    parser.add_argument("--data", type=Path, help="a folder or file to import instead of the simulated store")
    parser.add_argument("--demos", nargs="+", default=SETTINGS, help="strategies besides none")
    parser.add_argument("--scoring", default="calibrated", choices=get_args(Scoring))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--write", action="store_true", help="keep the result in the model folder's RECIPE.json"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = measured(
        arguments.model, arguments.users, arguments.seed, arguments.data, arguments.demos, arguments.scoring
    )
    print(json.dumps(result, indent=1))
    if arguments.write:
        path = arguments.model / "RECIPE.json"
        recipe = json.loads(path.read_text())
        name = arguments.data.name if arguments.data else "simulated"
        recipe["measured"] = {**recipe.get("measured", {}), name: result}
        path.write_text(json.dumps(recipe, indent=1) + "\n")


if __name__ == "__main__":
    main()
