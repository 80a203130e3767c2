"""How many rankings a second an experiment does, and how many a plain loop over whole prompts.

    python docs/scripts/experiment_speed.py --users 1000

Five strategies with four demonstrations on the simulated store, with the embedded model, in a workspace of
its own: candidate lists, choosing, ranking and storing all count. The loop runs one whole prompt per
candidate as transformers runs the model, for some of the same users; it chooses and stores nothing. Both must
give the same scores.
"""

import argparse
import sys
import time
from dataclasses import replace

from db import runs
from db.requests import ExperimentRequest
from engine.benchmarks.prompts import shop
from engine.benchmarks.ranking import prompts
from engine.benchmarks.timing import whole
from engine.progress import quiet
from engine.studies.experiments.grid import laid_out
from engine.studies.experiments.run import computed, stored
from engine.tasks.inputs import gather

ROWS = ("none", "random:4", "bm25:4", "neighbours:4", "proximal:4")
SAME = 1e-3  # nats


def main() -> int:
    """0; 1 where the scores differ."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=1000)
    arguments.add_argument("--loop", type=int, default=6, help="users of the loop")
    asked = arguments.parse_args()
    request = ExperimentRequest("simulated", users=asked.users, demos=ROWS, scoring=("sum",))
    with shop() as engine:
        computed(engine, laid_out(engine, replace(request, users=2, seed=1)), quiet)  # loads, builds indexes
        grid = laid_out(engine, request)
        start = time.perf_counter()
        computed(engine, grid, quiet)
        rate = grid.cells / (time.perf_counter() - start)

        cells, apart, spent, number = stored(engine, grid), 0.0, 0.0, 0
        step = max(1, len(grid.users) // asked.loop)
        for place, user in list(enumerate(cells.users))[::step][: asked.loop]:
            for column in grid.columns:
                inputs = gather(grid.context(engine, column, user))
                lines = prompts(inputs.context.loaded, inputs.task())
                start = time.perf_counter()
                scores = dict(zip(inputs.item_ids, whole(inputs.context.loaded, lines, True), strict=True))
                spent += time.perf_counter() - start
                number += 1
                run = runs.get(engine.store, str(cells.at[column.row.key][place][0].run))
                gaps = [abs(item["score"] - scores[item["item"]]) for item in run.result["items"]]
                apart = max(apart, *gaps)
    loop = number / spent
    print(f"experiment: {rate:.2f} rankings a second ({grid.cells:,} rankings)")
    print(f"plain loop: {loop:.2f} rankings a second ({number} rankings)")
    print(f"ratio: {rate / loop:.1f}; largest difference of a score: {apart:.1e} nats")
    return int(apart > SAME)


if __name__ == "__main__":
    sys.exit(main())
