"""The per-demonstration cache: a pool scored one demonstration at a time, each for the price of a query.

Right after the fixed prefix a demonstration's keys and values depend neither on the query nor on the user.
They are computed once per (model, prefix, demonstration), many in one batch, and kept in a `PrefillCache`
within its byte budget. Scoring N demonstrations for a new query then runs N copies of query and answer, and
nothing else. Positions are those of the prompt written with that one demonstration: the numbers are the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import (
    Head,
    Row,
    continuations,
    prefill,
    suffix_logprobs,
)
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import Question, combine, loss_rows
from engine.llm.scoring.ranking import Task, prepare
from engine.prompts import Example, Fitted, fit

_AT_ONCE = 128  # demonstrations whose keys and values are held together, whatever the cache's budget


def single_losses(
    loaded: LoadedModel, task: Task, pool: Sequence[Example], cache: PrefillCache | None = None
) -> list[float]:
    """Loss of the target (nats) with each demonstration of `pool` alone before the query, [len(pool)].

    The task's own demonstrations and weights are not looked at. Equal to the loss of the prompt written with
    that demonstration alone; where the context has no room for it, to that of the prompt without any.
    """
    cache = cache or PrefillCache()
    question, bare, _, room = prepare(loaded, replace(task, demos=(), weights=None))
    fitted = [
        fit(loaded.encoder, task.template, task.scoring, [demo], bare.history, room, task.hint)
        for demo in pool
    ]
    # A prompt that had to be shortened has another query: those are run as they are, one by one.
    whole = [i for i, prompt in enumerate(fitted) if prompt.kept and prompt.history == bare.history]
    # Like lengths together: little is padded then.
    whole.sort(key=lambda i: len(fitted[i].encoded))
    losses: dict[int, float] = {}
    for start in range(0, len(whole), _AT_ONCE):
        part = whole[start : start + _AT_ONCE]
        heads = _heads(loaded, [fitted[i] for i in part], cache)
        losses.update(zip(part, _losses(loaded, fitted[part[0]], heads, question, cache), strict=True))
    for i in set(range(len(pool))) - losses.keys():
        losses[i] = _alone(loaded, fitted[i], question)
    return [losses[i] for i in range(len(pool))]


def _heads(loaded: LoadedModel, fitted: Sequence[Fitted], cache: PrefillCache) -> list[Head]:
    """Keys and values of each prompt's one demonstration, from the cache or in one go."""
    if not fitted:
        return []
    prefix = _prefix(loaded, fitted[0], cache)
    rows = [prompt.encoded.before("query").ids[len(prefix.ids) :] for prompt in fitted]
    keys = [(loaded.key, "per_demo", prefix.ids, ids) for ids in rows]
    return cache.get_all(
        keys,
        lambda missing: continuations(loaded, prefix, [key[-1] for key in missing]),  # type: ignore[index]
        lambda head: head.nbytes,
    )


def _prefix(loaded: LoadedModel, fitted: Fitted, cache: PrefillCache) -> Head:
    """Keys and values of what stands before every demonstration; empty where nothing does."""
    part = fitted.encoded.before("demo")
    if not part.ids:
        return Head((), (), torch.zeros(0, dtype=torch.long, device=loaded.device), ())
    key = (loaded.key, "prefill", part.ids, tuple(part.owners()))
    whole = cache.get(key, lambda: prefill(loaded, part.ids, part.owners()), lambda prefix: prefix.nbytes)
    return whole.head()


def _losses(
    loaded: LoadedModel, like: Fitted, heads: Sequence[Head], question: Question, cache: PrefillCache
) -> list[float]:
    """Losses of one query behind each of the heads."""
    query = like.encoded.ids[len(like.encoded.before("query")) :]
    asked = [Row((*query, *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)]
    with torch.no_grad():
        logprobs = suffix_logprobs(
            loaded,
            _prefix(loaded, like, cache),
            asked * len(heads),
            behind=[head for head in heads for _ in asked],
        )
    return combine(question, logprobs.view(len(heads), len(asked))).tolist()


def _alone(loaded: LoadedModel, fitted: Fitted, question: Question) -> float:
    """The loss of a prompt run as it is written."""
    part = fitted.encoded.before("query")
    query = fitted.encoded.ids[len(part) :]
    rows = [Row((*query, *row.ids), row.scored) for row in loss_rows(loaded.encoder, question)]
    if part.ids:
        base = prefill(loaded, part.ids, [-1] * len(part)).head()
    else:
        base = Head((), (), torch.zeros(0, dtype=torch.long, device=loaded.device), ())
    with torch.no_grad():
        return float(combine(question, suffix_logprobs(loaded, base, rows)[None])[0])
