"""How fast an experiment is on a Ray cluster of this machine, and where more GPUs stop helping.

    python -m docs.scripts.ray_speed --users 200 --actors 1,2

Three rows on the simulated store with the embedded model, in a workspace of its own; one core for each actor,
and one for the command where there is one. A unit is a user's rankings of all rows. Times of the command are
those of the processor, so that waiting does not count. The second table is arithmetic: seconds of a unit on
an actor are measured here on a core (first row) or given (`--on-gpu`), and the command's are measured.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from db.requests import ExperimentRequest
from engine.benchmarks.prompts import shop
from engine.context import Engine
from engine.progress import quiet
from engine.studies.experiments import ray_engine
from engine.studies.experiments.grid import laid_out
from engine.studies.experiments.run import Progress, computed
from engine.tasks.rank import Pending

ROWS = ("none", "random:4", "neighbours:4")
GPUS = (1, 8, 64)
WHOLE = 1_000_000  # users
PARTS = {"gather": (ray_engine, "looked_up"), "keep": (Pending, "kept"), "cells": (Progress, "add")}


@dataclass(frozen=True)
class Speed:
    """units: a second. command: processor seconds of a unit, by part. actor: seconds of a unit there."""

    units: float
    command: dict[str, float]
    actor: float

    @property
    def busy(self) -> float:
        """Processor seconds of the command for a unit."""
        return self.command["all"]


def measured(engine: Engine, request: ExperimentRequest) -> Speed:
    """Of an engine whose model is in memory after the first two users."""
    computed(engine, laid_out(engine, replace(request, users=4, seed=request.seed + 1)), quiet)
    spent: dict[str, float] = defaultdict(float)
    ranked: list[float] = []

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            start = time.process_time()
            try:
                return function(*given)
            finally:
                spent[part] += time.process_time() - start
                if part == "keep" and given[1] is not None:
                    ranked.extend(result.timings_ms["rank"] / 1000 for result in given[2])

        return run

    grid = laid_out(engine, request)
    patches = [
        mock.patch.object(owner, name, timed(part, getattr(owner, name)))
        for part, (owner, name) in PARTS.items()
    ]
    for patch in patches:
        patch.start()
    start, busy = time.perf_counter(), time.process_time()
    try:
        computed(engine, grid, quiet)
    finally:
        for patch in patches:
            patch.stop()
    wall, spent["all"] = time.perf_counter() - start, time.process_time() - busy
    users = len(grid.users)
    return Speed(users / wall, {part: value / users for part, value in spent.items()}, sum(ranked) / users)


def on_ray(request: ExperimentRequest, actors: int) -> Speed:
    """On a cluster of this machine's cores."""
    with (
        shop() as plain,
        ray_engine.ray_engine(plain.store, plain.settings, "auto", actors, 1) as engine,
    ):
        return measured(engine, request)


def alone(request: ExperimentRequest) -> float:
    """Units a second of the same command without Ray, on one core."""
    import torch

    torch.set_num_threads(1)
    with shop() as engine:
        computed(engine, laid_out(engine, replace(request, users=4, seed=request.seed + 1)), quiet)
        grid = laid_out(engine, request)
        start = time.perf_counter()
        computed(engine, grid, quiet)
        return len(grid.users) / (time.perf_counter() - start)


def hours(actor: float, command: float, actors: int) -> float:
    """Of a million users: actors work side by side, and the command serves them one unit after the other."""
    return WHOLE * max(actor / actors, command) / 3600


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """In Markdown."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print()


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--actors", default="1,2")
    parser.add_argument("--on-gpu", default="0.02,0.2,2", help="seconds of a unit, for the arithmetic")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    request = ExperimentRequest("simulated", users=asked.users, demos=ROWS, seed=asked.seed)
    print(f"without Ray, one core: {alone(request):.2f} units a second ({len(ROWS)} rankings each)\n")
    speeds = {int(number): on_ray(request, int(number)) for number in asked.actors.split(",")}
    table(
        (
            "actors",
            "units a second",
            "on an actor, ms",
            "in the command, ms",
            "of it: gathering",
            "keeping",
            "other",
        ),
        [
            (
                number,
                f"{speed.units:.2f}",
                *(
                    f"{1000 * value:.1f}"
                    for value in (
                        speed.actor,
                        speed.busy,
                        speed.command["gather"],
                        speed.command["keep"] + speed.command["cells"],
                        speed.busy - sum(speed.command[part] for part in PARTS),
                    )
                ),
            )
            for number, speed in speeds.items()
        ],
    )
    first = next(iter(speeds.values()))
    times = {f"{first.actor:.3f} (a core here)": first.actor}
    times |= {f"{text} (given)": float(text) for text in asked.on_gpu.split(",")}
    table(
        ("seconds of a unit on one", *(f"{n} GPUs, hours" for n in GPUS), "more do not help from"),
        [
            (label, *(f"{hours(c, first.busy, n):.1f}" for n in GPUS), f"{max(1, c / first.busy):.0f}")
            for label, c in times.items()
        ],
    )


if __name__ == "__main__":
    main()
