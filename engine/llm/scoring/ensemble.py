"""Ranking by several prompts at once: the mean of the scores that each set of demonstrations gives.

Rank ensembling of arXiv 2405.02778; scores are log-probabilities or log-odds, so their mean is that of the
logarithms (a logarithmic opinion pool).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import RankResult, Task, log_share, rank_candidates


def rank_by_prompts(
    loaded: LoadedModel,
    tasks: Sequence[Task],
    cache: PrefillCache | None = None,
    rank: Callable[[LoadedModel, Task, PrefillCache], RankResult] = rank_candidates,
) -> RankResult:
    """One result for tasks that differ in their demonstrations only; with one task, that task's own.

    kept and dropped count through the demonstrations of all prompts; tokens and timings are sums; text holds
    every prompt. rank: what ranks each of them.
    """
    cache = cache or PrefillCache()
    results = [rank(loaded, task, cache) for task in tasks]
    if len(results) == 1:
        return results[0]
    before = [sum(len(task.demos) for task in tasks[:i]) for i in range(len(tasks))]
    return replace(
        averaged(results, tasks[0].target),
        tokens=sum(result.tokens for result in results),
        text="\n\n".join(result.text for result in results),
        kept=tuple(start + b for start, result in zip(before, results, strict=True) for b in result.kept),
        dropped=tuple(
            dict.fromkeys(  # an item of the history that several prompts lack counts once
                replace(lost, index=start + lost.index) if lost.kind == "demo" else lost
                for start, result in zip(before, results, strict=True)
                for lost in result.dropped
            )
        ),
    )


def averaged(results: Sequence[RankResult], target: int | None) -> RankResult:
    """The first result with the mean scores and the mean loss of all, and the time that all took."""
    scores = torch.tensor([result.scores for result in results], dtype=torch.float64).mean(0).tolist()
    losses = [result.loss for result in results if result.loss is not None]
    return replace(
        results[0],
        scores=scores,
        loss=sum(losses) / len(losses) if losses else None,
        margin=log_share(scores, target),
        timings_ms={
            name: round(sum(result.timings_ms[name] for result in results), 3)
            for name in results[0].timings_ms
        },
    )
