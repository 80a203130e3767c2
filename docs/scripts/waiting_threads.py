"""What it costs that the engine's threads sleep while they wait: `python -m docs.scripts.waiting_threads`.

The same work with threads that sleep (the default, `OMP_WAIT_POLICY=PASSIVE`) and with threads that spin
(`ACTIVE`), each in a process of its own, on a machine with nothing else to do and beside programs that
compute all the time, one for each core that is to be busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from db.settings import Settings
from engine.benchmarks.models import measured
from engine.benchmarks.prompts import shop, tasks
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import rank_candidates

POLICIES = ("PASSIVE", "ACTIVE")


def asked_for(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="embedded")
    arguments.add_argument("--repeats", type=int, default=24)
    arguments.add_argument("--busy", type=int, nargs="+", default=[0, 1], help="programs beside it")
    arguments.add_argument("--here", action="store_true", help="measure in this process, print JSON")
    return arguments.parse_args(words)


def milliseconds(model: str, repeats: int) -> dict[str, float]:
    """Medians, of four demonstrations and 20 candidates."""
    loaded, cache, step = measured(model, Settings()), PrefillCache(), count(1)
    with shop() as engine:
        (task,) = tasks(engine, 1, 4)

    def moved() -> None:
        weight = 0.3 + next(step) % 50 / 100
        rank_candidates(loaded, replace(task, weights=(weight, 1.0, 1.0, 1.0)), cache)

    def median(work: Callable[[], object], times: int) -> float:
        work()
        took = []
        for _ in range(max(1, times)):
            start = time.perf_counter()
            work()
            took.append(1000 * (time.perf_counter() - start))
        return statistics.median(took)

    return {
        "a ranking": median(lambda: rank_candidates(loaded, task, PrefillCache()), repeats),
        "a weight changed": median(moved, repeats),
        "effects, exact": median(
            lambda: demonstration_effects(loaded, task, "exact", cache=cache), repeats // 4
        ),
    }


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """That many programs that compute all the time."""
    beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for program in beside:
            program.kill()
            program.wait()


def main() -> None:
    """Prints the table."""
    asked = asked_for()
    if asked.here:
        print(json.dumps(milliseconds(asked.model, asked.repeats)))
        return
    print("| milliseconds | programs beside it | threads sleep | threads spin |\n|---|---|---|---|")
    command = [sys.executable, "-m", "docs.scripts.waiting_threads", "--here"]
    command += ["--model", asked.model, "--repeats", str(asked.repeats)]
    for programs in asked.busy:
        found = []
        with busy(programs):
            for policy in POLICIES:
                environment = {**os.environ, "OMP_WAIT_POLICY": policy}
                ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
                found.append(json.loads(ran.stdout.splitlines()[-1]))
        for what in found[0]:
            print(f"| {what} | {programs} | {found[0][what]:.0f} | {found[1][what]:.0f} |")


if __name__ == "__main__":
    main()
