"""Whether an effect grows with its weight: `python -m docs.scripts.moved_weight`.

What a person could be shown while a slider is dragged, before anything is computed: the effect in proportion
to the weight, or the number as it was. For each user one demonstration of four is moved from weight 1 to
others, and its exact effect on the margin is measured there.
"""

import argparse
from dataclasses import replace

import numpy as np

from db.settings import Settings
from engine.benchmarks.models import measured
from engine.benchmarks.prompts import shop, tasks
from engine.evaluation.statistics import estimate
from engine.llm.explain.effects import demonstration_effects
from engine.studies.table_cells import interval

K = 4
WEIGHTS = (0.5, 0.8, 1.2, 1.5, 2.0)
LEAST = 0.1  # nats: what the desk's axis shows at the least


def asked_for(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="embedded")
    arguments.add_argument("--users", type=int, default=40)
    return arguments.parse_args(words)


def main() -> None:
    """Prints the table."""
    asked = asked_for()
    loaded = measured(asked.model, Settings())
    with shop() as engine:
        users = tasks(engine, asked.users, K)
    before = [demonstration_effects(loaded, task, "exact") for task in users]
    print("| weight, from 1 to | off by, in proportion to the weight | off by, the number as it was |")
    print("|---|---|---|")
    for weight in WEIGHTS:
        guessed, kept = [], []
        for number, (task, first) in enumerate(zip(users, before, strict=True)):
            moved = number % K
            weights = tuple(weight if at == moved else 1.0 for at in range(K))
            after = demonstration_effects(loaded, replace(task, weights=weights), "exact")
            was, now = (float(found.effects[moved]) for found in (first, after))
            size = max(LEAST, float(np.abs(np.asarray(first.effects)).max()))
            guessed.append(abs(weight * was - now) / size)
            kept.append(abs(was - now) / size)
        print(f"| {weight:g} | {interval(estimate(guessed))} | {interval(estimate(kept))} |")
    print(f"\n{asked.users} users, {loaded.name}; shares of the user's largest effect at weight 1, mean")


if __name__ == "__main__":
    main()
