"""Demonstrations before and after two-stage optimization, over many users.

    python -m docs.scripts.lrgd_users -d beauty -m smollm2 --users 30

Each user's last purchase is ranked with no demonstrations, random ones, neighbours' windows (before) and what
both stages make of the pool (after), which is optimized on earlier purchases and applied without the guard,
so that its effect is seen at all. Beside it stands what the guard would have applied. Before and after are
ranked again under edits of the dual model. With `--later 3`, a set that was optimized four purchases ago is
used at each purchase since, beside one optimized anew at each. Runs and optimizations are stored: stopped,
the same command goes on; only the rankings of later purchases are made again. LRGD (arXiv 2504.04386) is
reconstructed here.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from db import datasets
from db.requests import ExperimentRequest, OptimizeRequest, RunRequest
from db.requests.run import Chosen
from db.settings import Settings
from db.store import Store
from engine.commands import output
from engine.context import Engine
from engine.data.splits import MIN_HISTORY
from engine.evaluation.statistics import estimate, paired_tests, together
from engine.optimize import optimize
from engine.optimize.long_term_effect import WAYS, long_term_effect
from engine.progress import telling
from engine.studies.experiments.grid import laid_out
from engine.studies.table_cells import difference, interval
from engine.tasks.rank import rank

BEFORE, AFTER = "before", "after"
EDITS = ("weights:0.5", "order", "typos:0.1")
MEASURES = {"ndcg10": "NDCG@10", "margin": "margin (nats)"}
PAIRS = (
    (AFTER, "none"),
    (AFTER, "random"),
    (AFTER, BEFORE),
    ("applied", "none"),
    (BEFORE, "none"),
    *((f"{way} {edit}", way) for way in (BEFORE, AFTER) for edit in EDITS),
)
"""The first less the second."""


def asked_for(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-d", "--dataset", default="simulated")
    arguments.add_argument("-m", "--model", default="embedded")
    arguments.add_argument("--users", type=int, default=30)
    arguments.add_argument("--k", type=int, default=4)
    arguments.add_argument("--calibrate", type=int, default=60, help="users on whom the guard's prior rests")
    arguments.add_argument("--later", type=int, default=0, help="purchases after the set was optimized")
    arguments.add_argument("--history", type=int, default=10, help="items of a history in the prompt")
    arguments.add_argument("--pool", type=int, default=8, help="demonstrations looked at, of each source")
    arguments.add_argument("--probes", type=int, default=10, help="earlier purchases to optimize on")
    return arguments.parse_args(words)


def _optimizing(asked: argparse.Namespace, user: str, **how: Any) -> OptimizeRequest:
    """A set for this user. `how`: the guard and what it rests on."""
    return OptimizeRequest(
        asked.dataset,
        user,
        asked.model,
        size=asked.k,
        history=asked.history,
        pool=asked.pool,
        probes=asked.probes,
        **how,
    )


def main() -> None:
    """Print the tables."""
    asked = asked_for()
    with Store.open(Settings()) as store:
        engine = Engine(store, Settings())
        grid = laid_out(engine, ExperimentRequest(asked.dataset, users=asked.users, model=(asked.model,)))
        users: list[dict[str, Any]] = []
        lasting: list[list[dict[str, Any]]] = []
        for number, user in enumerate(grid.users):
            with telling(lambda *_: None):
                users.append(_measured(engine, asked, user))
                lasting += _lasting(engine, asked, user) if asked.later else []
            output.aside(f"user {number + 1} of {len(grid.users)}")
    _print(users)
    if lasting:
        _print_lasting(lasting)


def _lasting(engine: Engine, asked: argparse.Namespace, user: str) -> list[list[dict[str, Any]]]:
    """The points of the user's last purchases, where there are enough before them: one list or none.

    Without times nobody knows what was there before an earlier purchase.
    """
    info = datasets.get(engine.store, asked.dataset)
    if not info.has_timestamps:
        return []
    own = datasets.history(engine.store, info.id, datasets.user(engine.store, info.id, user).user)
    start = len(own) - 1 - asked.later
    if start < MIN_HISTORY:
        return []
    request = _optimizing(asked, user, guard=False, calibrate=0)
    return [long_term_effect(engine, request, start)["points"]]


def _measured(engine: Engine, asked: argparse.Namespace, user: str) -> dict[str, Any]:
    """`{values: {way: {measure: number}}, verdict, shown}` of a user."""
    of: dict[str, Any] = {
        "dataset": asked.dataset,
        "user": user,
        "model": asked.model,
        "history": asked.history,
    }
    free = optimize(engine, _optimizing(asked, user, guard=False, calibrate=0)).result
    guarded = optimize(engine, _optimizing(asked, user, calibrate=asked.calibrate)).result
    after = {"demonstrations": tuple(Chosen(each["id"], each["weight"]) for each in free["chosen"])}
    applied = {"demonstrations": tuple(Chosen(each["id"], each["weight"]) for each in guarded["chosen"])}
    before = {"demos": f"neighbours:{asked.k}"}
    ways: dict[str, dict[str, Any]] = {
        "none": {"demos": "none"},
        "random": {"demos": f"random:{asked.k}"},
        BEFORE: before,
        AFTER: after,
        "applied": applied,
        **{f"{BEFORE} {edit}": {**before, "perturb": edit} for edit in EDITS},
        **{f"{AFTER} {edit}": {**after, "perturb": edit} for edit in EDITS},
    }
    values = {}
    for way, options in ways.items():
        bare = options.get("demonstrations") == ()  # nothing to edit, and nothing shown
        request = RunRequest.from_fields({**of, **({"demos": "none"} if bare else options)})
        found = rank(engine, request).result
        values[way] = {"ndcg10": found["metrics"]["ndcg10"], "margin": found["margin"]}
    return {
        "values": values,
        "verdict": guarded["guard"]["verdict"],
        "shown": len(free["chosen"]),
    }


def _print(users: list[dict[str, Any]]) -> None:
    def of(way: str, measure: str) -> np.ndarray:
        return np.array([user["values"][way][measure] for user in users])

    ways = list(users[0]["values"])
    rows = [[way, *(interval(estimate(of(way, each), 0)) for each in MEASURES)] for way in ways]
    output.table(rows, "demonstrations", *MEASURES.values())
    tested: Mapping[str, Any] = {
        each: together(paired_tests(np.array([of(a, each) - of(b, each) for a, b in PAIRS]), 0))
        for each in MEASURES
    }
    pairs = [
        [a, b, *(difference(tested[each][place]) for each in MEASURES)] for place, (a, b) in enumerate(PAIRS)
    ]
    output.table(pairs, "paired difference of", "and", *MEASURES.values())
    verdicts = Counter(user["verdict"] for user in users)
    said = ", ".join(f"{name} for {count}" for name, count in verdicts.most_common())
    shown = np.mean([user["shown"] for user in users])
    output.line(f"The guard applies: {said} of {len(users)} users.")
    output.line(f"Without it {shown:.2f} demonstrations are chosen on average.")


def _print_lasting(users: list[list[dict[str, Any]]]) -> None:
    """NDCG@10 at each purchase since the set was optimized, and what optimizing it anew adds at the last."""
    ways = {"zero_shot": "none", **WAYS}
    ndcg = {way: np.array([[point[way]["ndcg10"] for point in points] for points in users]) for way in ways}
    rows = [
        [since, *(interval(estimate(ndcg[way][:, since], 0)) for way in ways)]
        for since in range(len(users[0]))
    ]
    output.table(rows, "purchases since", *ways.values())
    pairs = [("stale", "zero_shot"), ("stale", "fresh"), ("reoptimized", "stale")]
    last = {way: of[:, -1] for way, of in ndcg.items()}
    tests = together(paired_tests(np.array([last[a] - last[b] for a, b in pairs]), 0))
    output.table(
        [[ways[a], ways[b], difference(test)] for (a, b), test in zip(pairs, tests, strict=True)],
        "at the last purchase, paired difference of",
        "and",
        "NDCG@10",
    )
    output.line(f"{len(users)} users have enough purchases before.")


if __name__ == "__main__":
    main()
