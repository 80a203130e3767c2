"""Whether the other methods of the field help: NDCG@10 of held-out targets, paired with the plain run.

    python -m tests.benchmarks.methods [--dataset simulated] [--users 40] [--only order forward:2 ...]

Ranks for the same users (with --disliked: those who rated something low, so that negatives apply) under edits
of the dual model, after iterative forward tuning and with a small model's choice out of a wider pool;
`forward (chosen)` takes the iteration that the last known purchase chooses. Runs are kept in the workspace
like any other. Prints means with 95 % intervals of the difference and paired p, asserts nothing.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.baselines.evaluation import drawn_users
from engine.context import Engine
from engine.evaluation.statistics import difference
from engine.tasks.forward_tuning import forward
from engine.tasks.rank import rank

WAYS: dict[str, dict] = {
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
CHOSEN = "forward (chosen)"


def ndcg(engine: Engine, request: RunRequest, way: str | None) -> tuple[float, float]:
    """NDCG@10 and loss (nats) of the held-out target."""
    if way == CHOSEN:
        found = forward(engine, request)
        return found["metrics"]["ndcg10"], found["curve"][found["chosen"]]["loss"]
    result = rank(engine, request if way is None else replace(request, **WAYS[way])).result
    return result["metrics"]["ndcg10"], result["loss"]


def main() -> None:
    """Read the options, rank, print one line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="simulated")
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--demos", default="neighbours:4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[*WAYS, CHOSEN])
    parser.add_argument("--disliked", action="store_true")
    asked = parser.parse_args()
    with Store.open(Settings()) as store:
        engine = Engine(store, Settings())
        columns = datasets.columns(store, datasets.get(store, asked.dataset).id)
        found: dict[str | None, list[tuple[float, float]]] = {way: [] for way in (None, *asked.only)}
        seconds = dict.fromkeys(found, 0.0)
        for user in drawn_users(
            columns, 10 * asked.users if asked.disliked else asked.users, asked.seed, "test"
        ):
            request = RunRequest(asked.dataset, user, demos=asked.demos, seed=asked.seed)
            row = {}
            try:
                for way in found:
                    started = time.perf_counter()
                    row[way] = ndcg(engine, request, way)
                    seconds[way] += time.perf_counter() - started
            except BadInput:
                if not asked.disliked:
                    raise
                continue  # nothing disliked
            for way, value in row.items():
                found[way].append(value)
            if len(found[None]) == asked.users:
                break
    plain = np.array(found[None])
    print(f"{len(plain)} users of {asked.dataset}, {asked.demos}, seed {asked.seed}")
    for way, values in found.items():
        each = np.array(values)
        gain = difference(each[:, 0], plain[:, 0])
        print(
            f"{way or 'plain':18} ndcg10 {each[:, 0].mean():.4f}  difference {gain['mean']:+.4f} "
            f"[{gain['low']:+.4f}, {gain['high']:+.4f}] p {gain['p']:.3f}  "
            f"loss {each[:, 1].mean():.3f} nats  {seconds[way] / len(plain):.2f} s a user"
        )


if __name__ == "__main__":
    main()
