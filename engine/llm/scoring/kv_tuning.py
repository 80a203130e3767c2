"""Iterative forward tuning: demonstrations read over and over before the query is answered once.

After "Iterative Forward Tuning Boosts In-Context Learning in Language Models" (arXiv 2305.13016, Deep-
Thinking): forward passes over the demonstrations alone refine their keys and values, layer by layer, with
momentum; the query then attends to the refined ones, without the demonstrations' tokens being fed again.

Our reading of it. K_0, V_0 are those of the plain prompt. In iteration t the demonstrations' tokens are fed
again at their own positions; at every layer a token attends to the fixed prefix, to all demonstrations' K and
V of iteration t - 1 (later ones too) and to the tokens of this pass up to itself, which gives K', V'. Then
M_t = momentum M_(t-1) + step (K'_t - K_(t-1)) and K_t = K_(t-1) + M_t; the same for V. Only demonstration
tokens change. In the dual model (arXiv 2504.04386) each iteration edits the step's dW_b; edge gates act on
the outcome as ever. No target and no gradient has a part in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from db.errors import ModelError
from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix
from engine.llm.scoring.memory import PrefillCache, in_batches

STEP = 0.1
MOMENTUM = 0.5
_WHAT = "the demonstrations"


@dataclass(frozen=True)
class ForwardTuned:
    """An edit of a task (ranking.py): the demonstrations after so many iterations; 0: as read."""

    iterations: int
    step: float = STEP
    momentum: float = MOMENTUM

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        key = (loaded.key, "forward", head.ids, tuple(head.owners.tolist()), self)
        return cache.get(key, lambda: self._last(loaded, head), lambda made: made.nbytes)

    def _last(self, loaded: LoadedModel, head: Prefix) -> Prefix:
        *_, last = iterations(loaded, head, self.iterations, self.step, self.momentum)
        return last


@dataclass(frozen=True, eq=False)
class Standing:
    """An edit that puts keys and values computed before in the place of the prompt's."""

    head: Prefix

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        return self.head


def iterations(
    loaded: LoadedModel, head: Prefix, count: int, step: float = STEP, momentum: float = MOMENTUM
) -> Iterator[Prefix]:
    """The prefix with its demonstrations after 0, 1, ... `count` iterations; iteration 0 is `head` itself.

    Raises ModelError where a sliding window would hide some of them, and OutOfMemory.
    """
    yield head
    inside = (head.owners >= 0).nonzero()[:, 0]
    if not inside.numel():
        yield from [head] * count
        return
    start, stop = int(inside[0]), int(inside[-1]) + 1
    _check_window(loaded, len(head) + stop - start)
    moved = [torch.zeros_like(t[:, :, start:stop]) for t in (*head.keys, *head.values)]
    current = head
    for _ in range(count):
        [read] = in_batches([current], 1, lambda one: _read(loaded, one[0], start, stop), _WHAT)
        tensors = []
        for whole, new, motion in zip((*current.keys, *current.values), read, moved, strict=True):
            motion.mul_(momentum).add_(new - whole[:, :, start:stop], alpha=step)
            tensors.append(
                torch.cat([whole[:, :, :start], whole[:, :, start:stop] + motion, whole[:, :, stop:]], 2)
            )
        current = replace(head, keys=tuple(tensors[: loaded.layers]), values=tuple(tensors[loaded.layers :]))
        yield current


@torch.no_grad()
def _read(loaded: LoadedModel, head: Prefix, start: int, stop: int) -> list[Tensor]:
    """Keys, then values, per layer [1, Hkv, stop - start, d], of tokens fed again behind the whole prefix."""
    tokens = torch.tensor([head.ids[start:stop]], device=loaded.device)
    again = lens.Pass(prefix_keys=list(head.keys), prefix_values=list(head.values), keep=True)
    # A prediction has to be asked for; one of the first token costs least.
    first = torch.zeros_like(tokens, dtype=torch.bool)
    first[:, 0] = True
    places = torch.arange(start, stop, device=loaded.device)[None]
    with lens.looking(again):
        loaded.model(input_ids=tokens, position_ids=places, use_cache=False, logits_to_keep=first)
    layers = range(loaded.layers)
    return [*(again.keys[layer] for layer in layers), *(again.values[layer] for layer in layers)]


def _check_window(loaded: LoadedModel, keys: int) -> None:
    window = getattr(loaded.model.config.get_text_config(), "sliding_window", None)
    if window is not None and keys > window:
        raise ModelError(
            f"Forward tuning reads the demonstrations twice side by side, {keys} tokens, and {loaded.name} "
            f"looks back at most {window}. Use fewer demonstrations or a model without a sliding window."
        )
