"""Speed before and after: `python -m docs.scripts.before_after REVISION [--model NAME]`.

Checks the revision out beside this tree and runs the same work in both, by turns, on this machine; prints the
medians of each as a Markdown table. The work is `_lines` below: it calls only what both have, and what it
computes must agree (largest difference of scores: 1e-3), or the run ends with status 1.
"""

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TURNS = 3
NAMES = {
    "rate": "GFLOP/s of large products",
    "floor20": "flop floor of 20 candidates, ms",
    "rank20": "20 candidates after about 960 tokens, with the list without demonstrations, ms",
    "rank100": "100 candidates, the same, ms",
    "moved": "a weight changed, 20 candidates, ms",
    "study": "rankings a second, a study's 5 choices of 4 demonstrations per user",
    "loop": "rankings a second, one whole prompt per candidate",
    "exact": "effects, exact, k = 4, turned down, margin of 20, ms",
    "plain": "one plain pass of that prompt, ms",
    "dropped": "effects, exact, k = 6, by new prompts, loss, ms",
    "told": "the same told from those by turning down (`difference`), ms",
    "ablations": "64 whole prompts with half of them dropped, ms",
}


def _lines(model: str, users: int) -> dict[str, Any]:
    """What each line takes in the tree that is imported, and the scores that must agree."""
    from dataclasses import replace

    from db.settings import Settings
    from engine.benchmarks.effects import rivals
    from engine.benchmarks.prompts import shop, tasks
    from engine.benchmarks.ranking import cut, floor, prompts
    from engine.benchmarks.timing import rate, sample, whole
    from engine.llm.explain.effects import demonstration_effects
    from engine.llm.loading.load import load
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import rank_candidates

    settings = Settings()
    loaded = load(model, settings.device, settings.dtype)

    def ms(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - start)

    with shop() as engine:
        long = tasks(engine, users, 24, candidates=100)
        short = {k: tasks(engine, users, k) for k in (4, 6)}
    twenty = [cut(loaded, task, 20) for task in long]
    hundred = [cut(loaded, task, 100) for task in long]
    result = rank_candidates(loaded, twenty[0])  # once unmeasured
    speed = rate(loaded)
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    found["rate"] = [speed / 1e9]
    scores = [*result.scores]
    for task, many in zip(twenty, hundred, strict=True):
        cache = PrefillCache()
        found["floor20"].append(1000 * floor(loaded, task) / speed)
        found["rank20"].append(ms(lambda task=task, cache=cache: rank_candidates(loaded, task, cache)))
        found["rank100"].append(ms(lambda many=many: rank_candidates(loaded, many)))
        moved = replace(task, weights=(0.4, *[1.0] * (len(task.demos) - 1)))
        found["moved"].append(ms(lambda moved=moved, cache=cache: rank_candidates(loaded, moved, cache)))
    few, times = sample(prompts(loaded, short[4][0]), 6)
    found["loop"] = [1000 / (times * ms(lambda: whole(loaded, few, True)))]
    found["study"] = [_study(loaded, 4 * users)]
    dropping: dict[str, Any] = {"mode": "reprompt", "measure": "loss"}
    for four, six in zip(short[4], short[6], strict=True):
        effects = []
        found["exact"].append(
            ms(lambda t=four, e=effects: e.append(demonstration_effects(loaded, t, "exact")))
        )
        scores += effects[0].effects
        for line, task, rival, most in (("plain", four, "plain", 1), ("ablations", six, "ablations", 6)):
            some, times = sample(rivals(loaded, task)[rival], most)
            found[line].append(times * ms(lambda some=some: whole(loaded, some, True)))
        found["dropped"].append(ms(lambda t=six: demonstration_effects(loaded, t, "exact", **dropping)))
        found["told"].append(_told(loaded, six, dropping, ms))
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {"lines": medians, "scores": scores}


def _told(loaded: Any, task: Any, dropping: dict[str, Any], ms: Callable[..., float]) -> float:
    """What dropping takes behind turning down; exactly, in a version that does not tell it from that."""
    from engine.llm.explain.effects import demonstration_effects

    more: dict[str, Any] = {"estimator": "exact"}
    if "known" in inspect.signature(demonstration_effects).parameters:
        from db.effect_results import FELT, NARROW
        from engine.llm.explain.effects import Known

        turned = demonstration_effects(loaded, task, "difference", measure=dropping["measure"])
        more = {"estimator": "difference", "known": Known(turned.costs or {}, NARROW, FELT)}
    return ms(lambda: demonstration_effects(loaded, task, **dropping, **more))


def _study(loaded: object, users: int) -> float:
    """Rankings a second of a study of so many users."""
    from db.requests import StudyRequest
    from engine.benchmarks.prompts import shop
    from engine.studies import strategies

    names = ("none", "random", "bm25", "neighbours", "proximal")
    with shop() as engine:
        engine.load = lambda _: loaded  # type: ignore[assignment]  # the measured model in place of the named
        request = StudyRequest(study="strategies", dataset="simulated", users=users, only=names)
        start = time.perf_counter()
        strategies.run(engine, request, lambda *_, **__: None)
        return users * len(names) / (time.perf_counter() - start)


def _source(model: str) -> str:
    """The folder of a model's name, which another version of the code may not be able to look up."""
    from db.settings import Settings
    from db.store import Store
    from engine.context import EMBEDDED, Engine

    if model == "embedded":
        return str(EMBEDDED)
    settings = Settings()
    with Store.open(settings) as store:
        return Engine(store, settings).registered(model).source


def _run(tree: Path, model: str, users: int) -> dict[str, Any]:
    words = [sys.executable, str(Path(__file__).resolve()), "--lines", model, "--users", str(users)]
    done = subprocess.run(
        words, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _table(before: list[dict], after: list[dict]) -> str:
    def line(name: str) -> str:
        old, new = (statistics.median(run["lines"][name] for run in runs) for runs in (before, after))
        better = old / new if NAMES[name].endswith("ms") else new / old
        written = (f"{value:,.1f}" if value >= 10 else f"{value:.2f}" for value in (old, new, better))
        return f"| {NAMES[name]} | {' | '.join(written)} |"

    return "\n".join(["| what | before | after | times better |", "|---|---|---|---|", *map(line, NAMES)])


def main() -> int:
    """0; 1 where both do not compute the same."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("revision", nargs="?")
    arguments.add_argument("--model", default="embedded")
    arguments.add_argument("--users", type=int, default=6)
    arguments.add_argument("--turns", type=int, default=TURNS)
    arguments.add_argument("--lines", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.lines:
        print(json.dumps(_lines(asked.lines, asked.users)))
        return 0
    if not asked.revision:
        arguments.error("name the revision to compare with, such as a tag or a commit")
    source = _source(asked.model)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(tree), asked.revision], check=True)
        try:
            runs = [
                (_run(tree, source, asked.users), _run(ROOT, source, asked.users)) for _ in range(asked.turns)
            ]
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    print(_table([old for old, _ in runs], [new for _, new in runs]))
    apart = max(abs(a - b) for old, new in runs for a, b in zip(old["scores"], new["scores"], strict=True))
    print(f"\nLargest difference of scores and effects: {apart:.1e}")
    return int(apart > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
