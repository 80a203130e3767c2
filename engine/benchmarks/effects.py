"""Effects of demonstrations beside re-prompting and beside one plain forward pass of the same prompt.

`loo`: leave-one-out by re-prompting, k whole prompts. `ablations`: 64 whole prompts with random halves of the
demonstrations, as lasso attribution takes them (the fit itself is not counted). Each is measured with this
engine's products of matrices and, as `..._stock`, as transformers runs the model. All measure the loss of the
target alone: the margin takes the other candidates' answers too, here as with every alternative.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.benchmarks.timing import (
    MOST,
    Written,
    bar,
    described,
    flops,
    in_turn,
    middle,
    rate,
    sample,
    whole,
)
from engine.llm.explain.effects import EffectsResult, demonstration_effects
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.modes import loss_rows
from engine.llm.scoring.ranking import Task, prepare
from engine.lrgd.aumann import ORDER, START
from engine.lrgd.effects import Estimator
from engine.prompts import Example, Fitted, fit

ABLATIONS = 64
PLAN: dict[int, tuple[Estimator, ...]] = {
    4: ("exact", "aumann"),
    8: ("kriging", "aumann"),
    16: ("kriging", "aumann"),
}
RIVALS = ("plain", "loo", "ablations")


def effects(loaded: LoadedModel, tasks: Sequence[Task], ks: Sequence[int], most: int = MOST) -> dict:
    """Medians over the tasks' users, each with its k nearest demonstrations; of an alternative's prompts at
    most `most` are run, the others are counted by their tokens.
    """
    speed = rate(loaded)
    rows = []
    for k in ks:
        trimmed = [replace(task, demos=task.demos[-k:], weights=None) for task in tasks]
        _timed(loaded, trimmed[0], PLAN[k][:1], 1)  # unmeasured: kernels, memory
        rows.append(_row(k, [_timed(loaded, task, PLAN[k], most) for task in trimmed], speed))
    speed = max(speed, rate(loaded))
    return {
        "bench": "effects",
        **described(loaded, speed),
        "users": len(tasks),
        "rows": rows,
        "bars": _bars(rows),
    }


def rivals(loaded: LoadedModel, task: Task) -> dict[str, list[Written]]:
    """The whole prompts of each alternative."""
    demos, draw = task.demos, random.Random(0)
    sets = {
        "plain": [demos],
        "loo": [demos[:b] + demos[b + 1 :] for b in range(len(demos))],
        "ablations": [tuple(d for d in demos if draw.random() < 0.5) for _ in range(ABLATIONS)],
    }
    return {name: [_written(loaded, task, shown) for shown in subsets] for name, subsets in sets.items()}


def _written(loaded: LoadedModel, task: Task, demos: Sequence[Example]) -> Written:
    question, _, _, room = prepare(loaded, task)
    shown = fit(loaded.encoder, task.template, task.scoring, list(demos), task.history, room, task.hint)
    (row,) = loss_rows(loaded.encoder, question)
    return Written((*shown.encoded.ids, *row.ids), row.scored)


def _timed(loaded: LoadedModel, task: Task, estimators: Sequence[Estimator], most: int) -> dict:
    """Seconds and floors of one user."""
    ways: dict[str, Callable[[], object]] = {}
    scale: dict[str, float] = {}
    results: dict[str, EffectsResult] = {}

    def explained(estimator: Estimator) -> None:
        results[estimator] = demonstration_effects(loaded, task, estimator, measure="loss")

    for name, prompts in rivals(loaded, task).items():
        few, times = sample(prompts, most)
        for stock in (False, True):
            label = f"{name}_stock" if stock else name
            ways[label] = lambda few=few, stock=stock: whole(loaded, few, stock)
            scale[label] = times
    for estimator in estimators:
        ways[estimator] = lambda estimator=estimator: explained(estimator)
    seconds = in_turn(ways, loaded.device)
    for name, result in results.items():
        # The prompt without demonstrations, which is measured too, is no part of the effects.
        seconds[name] -= result.timings_ms["zero_shot"] / 1000
    fitted = prepare(loaded, task)[1]
    answer = len(loss_rows(loaded.encoder, prepare(loaded, task)[0])[0].ids)
    return {
        "tokens": len(fitted.encoded) + answer,
        "seconds": {name: value * scale.get(name, 1.0) for name, value in seconds.items()},
        "flops": {
            "plain": flops(loaded, len(fitted.encoded) + answer - 1, 0, answer),
            **{name: floor(loaded, fitted, answer, name, result.passes) for name, result in results.items()},
        },
        "passes": {name: result.passes for name, result in results.items()},
    }


def floor(loaded: LoadedModel, fitted: Fitted, answer: int, estimator: str, passes: int) -> float:
    """Flops of an estimator's products: all before the query once, and the suffix once per weighting.

    A gradient (`aumann`) takes two: the weights are frozen, so the backward pass costs as much as the forward
    pass. It also takes the losses at the ends of its intervals.
    """
    before = len(fitted.encoded.before("query"))
    suffix = flops(loaded, len(fitted.encoded) - before + answer - 1, before, answer)
    if estimator == "aumann":
        intervals = START + (passes - START * ORDER) // (2 * ORDER)
        passes = 2 * passes + intervals + 1
    return flops(loaded, before) + passes * suffix


def _row(k: int, users: Sequence[dict], speed: float) -> dict:
    """One k: medians over users of times and of ratios within each user."""

    def median(value: Callable[[dict], float], digits: int = 2) -> float:
        return middle([value(user) for user in users], digits)

    ways = {}
    for name in PLAN[k]:
        ratios = {
            f"{kind}_{rival}": median(lambda u, n=name, r=rival: u["seconds"][r] / u["seconds"][n])
            for kind, rivals_of in (("faster_than", ("loo", "ablations")),)
            for rival in (r + s for r in rivals_of for s in ("", "_stock"))
        }
        ways[name] = {
            "ms": median(lambda u, n=name: 1000 * u["seconds"][n], 1),
            "passes": median(lambda u, n=name: u["passes"][n], 0),
            "times_plain": median(lambda u, n=name: u["seconds"][n] / u["seconds"]["plain"]),
            "times_plain_stock": median(lambda u, n=name: u["seconds"][n] / u["seconds"]["plain_stock"]),
            "flops_times_plain": median(lambda u, n=name: u["flops"][n] / u["flops"]["plain"]),
            **ratios,
            "floor_ms": median(lambda u, n=name: 1000 * u["flops"][n] / speed, 1),
            "times_floor": median(lambda u, n=name: u["seconds"][n] * speed / u["flops"][n]),
        }
    times = {
        f"{rival}_ms": median(lambda u, r=rival: 1000 * u["seconds"][r], 1)
        for rival in (r + s for r in RIVALS for s in ("", "_stock"))
    }
    plain = median(lambda u: u["seconds"]["plain"] * speed / u["flops"]["plain"])
    return {
        "k": k,
        "tokens": median(lambda u: u["tokens"], 0),
        **times,
        "plain_times_floor": plain,
        "ways": ways,
    }


def _bars(rows: Sequence[dict]) -> list[dict]:
    """The criteria that these rows can show, against alternatives with our products and with those of
    transformers.
    """
    bars = []
    for row in rows:
        ways = row["ways"]
        for rival, how in (("", "with the same products"), ("_stock", "as transformers runs it")):
            if row["k"] == 4:
                ratio = ways["exact"][f"times_plain{rival}"]
                bars.append(
                    bar(f"exact effects at k = 4 over a plain forward pass {how}", 2.5, ratio, at_most=True)
                )
            if row["k"] == 8:
                ratio = ways["kriging"][f"faster_than_ablations{rival}"]
                bars.append(bar(f"64 ablations {how} over effects at k = 8", 4.0, ratio))
            if row["k"] == 16:
                ratio = ways["kriging"][f"faster_than_loo{rival}"]
                bars.append(bar(f"leave-one-out {how} over effects at k = 16", 1.0, ratio))
    worst = max(way["times_floor"] for row in rows for way in row["ways"].values())
    return [*bars, bar("effects over their flop floor, at worst", 2.0, worst, at_most=True)]
