"""A pool scored one demonstration at a time: with a warm bank, with an empty one, and without any.

Without a bank every demonstration's prompt is written and run: `one_by_one` as a whole prompt each, `batched`
many in one padded batch after the shared prefix, the most that can be shared without a bank.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

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
from engine.llm.scoring.log_probs import Row, prefill, suffix_logprobs
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import loss_rows
from engine.llm.scoring.per_demo_cache import single_losses
from engine.llm.scoring.ranking import Task, prepare
from engine.prompts import Example, fit

POOL = 64


def bank(loaded: LoadedModel, tasks: Sequence[Task], most: int = MOST) -> dict:
    """Medians over the tasks' users. The pool is the first task's demonstrations; a warm bank has scored them
    for a user before. Of the prompts run one by one at most `most` are; tokens count for the others."""
    speed = rate(loaded)
    pool = tasks[0].demos
    _timed(loaded, tasks[0], pool[:8], tasks[-1], 1)  # once unmeasured
    users = [_timed(loaded, task, pool, tasks[i - 1], most) for i, task in enumerate(tasks)]
    ratios = {
        f"faster_than_{name}": middle([user["seconds"][name] / user["seconds"]["warm"] for user in users])
        for name in ("empty", "batched", "one_by_one", "one_by_one_stock")
    }
    return {
        "bench": "bank",
        **described(loaded, speed),
        "users": len(tasks),
        "pool": len(pool),
        "demonstration_tokens": middle([user["demonstration"] for user in users], 1),
        "query_tokens": middle([user["query"] for user in users], 1),
        **{
            f"{name}_ms": middle([1000 * user["seconds"][name] for user in users], 1)
            for name in users[0]["seconds"]
        },
        **ratios,
        "flops_without_over_with": middle(
            [user["flops"]["without"] / user["flops"]["warm"] for user in users]
        ),
        "times_floor": middle([user["seconds"]["warm"] * speed / user["flops"]["warm"] for user in users]),
        "bars": [
            bar(
                "pool of 64 one by one, as transformers runs it, over a warm bank",
                4.0,
                ratios["faster_than_one_by_one_stock"],
            ),
            bar("pool of 64 one by one over a warm bank", 4.0, ratios["faster_than_one_by_one"]),
            bar("pool of 64 in padded batches over a warm bank", 4.0, ratios["faster_than_batched"]),
        ],
    }


def written(loaded: LoadedModel, task: Task, pool: Sequence[Example]) -> list[Written]:
    """The prompt of each demonstration alone."""
    question, bare, _, room = prepare(loaded, replace(task, demos=(), weights=None))
    (row,) = loss_rows(loaded.encoder, question)
    shown = [fit(loaded.encoder, task.template, task.scoring, [d], bare.history, room) for d in pool]
    return [Written((*fitted.encoded.ids, *row.ids), row.scored) for fitted in shown]


def batched(loaded: LoadedModel, prompts: Sequence[Written]) -> list[float]:
    """Log-probabilities of the answers, all prompts after the tokens that they share."""
    first, last = min(p.ids for p in prompts), max(p.ids for p in prompts)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    base = prefill(loaded, first[:same], [-1] * same).head()
    with torch.no_grad():
        return suffix_logprobs(loaded, base, [Row(p.ids[same:], p.scored) for p in prompts]).tolist()


def _timed(
    loaded: LoadedModel, task: Task, pool: Sequence[Example], other: Task, most: int
) -> dict[str, Any]:
    prompts = written(loaded, task, pool)
    few, times = sample(prompts, most)
    cache = PrefillCache()
    single_losses(loaded, other, pool, cache)
    seconds = in_turn(
        {
            "warm": lambda: single_losses(loaded, task, pool, cache),
            "empty": lambda: single_losses(loaded, task, pool),
            "batched": lambda: batched(loaded, prompts),
            "one_by_one": lambda: whole(loaded, few, False),
            "one_by_one_stock": lambda: whole(loaded, few, True),
        },
        loaded.device,
    )
    for name in ("one_by_one", "one_by_one_stock"):
        seconds[name] *= times
    return {"seconds": seconds, **_sizes(loaded, task, prompts)}


def _sizes(loaded: LoadedModel, task: Task, prompts: Sequence[Written]) -> dict:
    """Tokens of a demonstration and of the query, and the flops of both ways."""
    question, bare, _, _ = prepare(loaded, replace(task, demos=(), weights=None))
    answer = len(loss_rows(loaded.encoder, question)[0].ids)
    prefix = len(bare.encoded.before("query"))
    query = len(bare.encoded) - prefix
    lengths = [len(p.ids) - prefix - query - answer for p in prompts]
    with_bank = sum(flops(loaded, query + answer - 1, prefix + n, answer) for n in lengths)
    without = flops(loaded, prefix) + sum(
        flops(loaded, n + query + answer - 1, prefix, answer) for n in lengths
    )
    return {
        "demonstration": middle(lengths, 1),
        "query": query + answer,
        "flops": {"warm": with_bank, "without": without},
    }
