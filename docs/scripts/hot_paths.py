"""Where the processor's time goes on four paths: `python -m docs.scripts.hot_paths [--model NAME]`.

Prints, as a Markdown table, the share of each path's time that torch's operations take by themselves, the six
largest of each; what is left is Python and everything smaller.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch.profiler import ProfilerActivity, profile

from db.settings import Settings
from engine.benchmarks.models import measured
from engine.benchmarks.prompts import shop, tasks
from engine.benchmarks.ranking import cut
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import rank_all, rank_candidates

LARGEST = 6
NAMES = {
    "mkldnn::_linear_pointwise": "the model's products (oneDNN)",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention (one kernel)",
}


def shares(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Operations by their share of the processor's time."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(repeats):
            work()
    times = {event.key: event.self_cpu_time_total for event in watched.key_averages()}
    total = sum(times.values())
    return {NAMES.get(name, name): time / total for name, time in times.items()}


def main() -> None:
    """Prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="embedded")
    arguments.add_argument("--repeats", type=int, default=3)
    asked = arguments.parse_args()
    loaded = measured(asked.model, Settings())
    with shop() as engine:
        (long,) = tasks(engine, 1, 24)
        short = tasks(engine, 5, 4)
    task, cache = cut(loaded, long, 20), PrefillCache()
    rank_candidates(loaded, task, cache)
    moved = replace(task, weights=(0.4, *[1.0] * (len(task.demos) - 1)))
    paths = {
        "20 candidates after 960 tokens": lambda: rank_candidates(loaded, task, PrefillCache()),
        "five rankings of about 270 tokens, side by side": partial(rank_all, loaded, short),
        "a weight changed after 960 tokens": partial(rank_candidates, loaded, moved, cache),
        "effects, exact, k = 4, margin of 20": partial(demonstration_effects, loaded, short[0], "exact"),
    }
    print("| path | operations, by their share of the processor's time |\n|---|---|")
    for name, work in paths.items():
        largest = sorted(shares(work, asked.repeats).items(), key=lambda pair: -pair[1])[:LARGEST]
        print(f"| {name} | {', '.join(f'{what} {share:.0%}' for what, share in largest)} |")


if __name__ == "__main__":
    main()
