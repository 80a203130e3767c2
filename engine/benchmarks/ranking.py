"""Ranking candidates after one shared prompt beside one whole prompt per candidate."""

import statistics
from collections.abc import Sequence
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
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, answers, asked_of, prepare
from engine.prompts.segments import title_answer

TOKENS = 1000  # of the prompt, as near as whole demonstrations come
CANDIDATES = (20, 100)


def ranking(loaded: LoadedModel, tasks: Sequence[Task], most: int = MOST) -> dict:
    """Medians over the tasks' users. Of the whole prompts at most `most` are run, the others counted by their
    tokens. The ranking without demonstrations, which `rank` gives too, is not counted. The floor of each user
    is at the rate of that moment, as what else a machine does comes and goes."""
    rows, speeds = [], []
    _timed(loaded, cut(loaded, tasks[0], CANDIDATES[0]), 1)  # once unmeasured
    for count in CANDIDATES:
        asked = [cut(loaded, task, count) for task in tasks]
        users = [_timed(loaded, task, most) for task in asked]
        speeds += [user["speed"] for user in users]
        rows.append(
            {
                "candidates": count,
                **{
                    name: middle([user[name] for user in users])
                    for name in ("tokens", "ms", "whole_ms", "whole_stock_ms")
                },
                "faster_than_whole": middle([user["whole_ms"] / user["ms"] for user in users]),
                "faster_than_whole_stock": middle([user["whole_stock_ms"] / user["ms"] for user in users]),
                "floor_ms": middle([1000 * user["flops"] / user["speed"] for user in users]),
                "times_floor": middle([user["ms"] / 1000 * user["speed"] / user["flops"] for user in users]),
            }
        )
    at = {row["candidates"]: row for row in rows}
    return {
        "bench": "ranking",
        **described(loaded, statistics.median(speeds)),
        "users": len(tasks),
        "rows": rows,
        "bars": [
            bar("100 whole prompts over ranking 100 candidates", 15.0, at[100]["faster_than_whole"]),
            *(
                bar(f"ranking {count} candidates over its flop floor", 2.0, row["times_floor"], at_most=True)
                for count, row in at.items()
            ),
        ],
    }


def cut(loaded: LoadedModel, task: Task, candidates: int) -> Task:
    """The task with so many candidates, the target among them, and a prompt of about TOKENS tokens."""
    assert task.target is not None
    names = task.candidates[:candidates]
    if task.target >= candidates:
        names = (*names[:-1], task.candidates[task.target])
    shorter = replace(task, candidates=names, target=names.index(task.candidates[task.target]), weights=None)
    while len(shorter.demos) > 1 and len(prepare(loaded, shorter)[1].encoded) > TOKENS:
        shorter = replace(shorter, demos=shorter.demos[1:])
    return shorter


def prompts(loaded: LoadedModel, task: Task) -> list[Written]:
    """One whole prompt per candidate."""
    shared = prepare(loaded, task)[1].encoded.ids
    answers = [loaded.encoder.joined(title_answer(title)) for title in task.candidates]
    return [Written((*shared, *answer), len(answer)) for answer in answers]


def floor(loaded: LoadedModel, task: Task) -> float:
    """Flops of the shared prompt once and of each answer's own tokens after it."""
    shared = len(prepare(loaded, task)[1].encoded)
    answers = [len(loaded.encoder.joined(title_answer(title))) for title in task.candidates]
    return flops(loaded, shared, 0, 1) + sum(flops(loaded, n - 1, shared, n - 1) for n in answers if n > 1)


def _timed(loaded: LoadedModel, task: Task, most: int) -> dict[str, float]:
    few, times = sample(prompts(loaded, task), most)
    question, fitted, _, _ = prepare(loaded, task)
    asked = asked_of(question, fitted, task)
    seconds = in_turn(
        {
            "whole": lambda: whole(loaded, few, False),
            "whole_stock": lambda: whole(loaded, few, True),
            "shared": lambda: answers(loaded, [asked], PrefillCache()),
        },
        loaded.device,
    )
    return {
        "speed": rate(loaded),
        "tokens": len(fitted.encoded),
        "ms": 1000 * seconds["shared"],
        "whole_ms": 1000 * seconds["whole"] * times,
        "whole_stock_ms": 1000 * seconds["whole_stock"] * times,
        "flops": floor(loaded, task),
    }
