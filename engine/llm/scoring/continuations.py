"""How likely given continuations are, token by token, and whether the model would have written them itself.

Knows token ids only. Where sums alone are asked for, `packed` is quicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Head, check_length, elements_per_row, prefill
from engine.llm.scoring.memory import in_batches, rows_at_once

Line = tuple[Sequence[int], Sequence[int]]
"""Tokens that are given, at least one, and those that follow, at least one."""


@dataclass(frozen=True)
class Continued:
    """`logprob`: of all tokens that follow (nats); `greedy`: each of them is the likeliest at its place."""

    logprob: float
    greedy: bool


@torch.no_grad()
def continuations(loaded: LoadedModel, before: Sequence[int], lines: Sequence[Line]) -> list[Continued]:
    """What the model says of each line, in batches of like length. `before`: tokens, at least one, that stand
    before all of them and are read once. Raises ModelError, OutOfMemory."""
    if not lines:
        return []
    lengths = [len(begun) + len(rest) for begun, rest in lines]
    check_length(loaded, len(before) + max(lengths))
    base = prefill(loaded, before, [-1] * len(before)).head()
    order = sorted(range(len(lines)), key=lambda n: lengths[n])
    size = rows_at_once(loaded.device, elements_per_row(loaded, len(before), max(lengths), max(lengths)))
    parts = in_batches(order, size, lambda some: _pass(loaded, base, [lines[n] for n in some]), "the titles")
    found = dict(zip(order, (one for part in parts for one in part), strict=True))
    return [found[n] for n in range(len(lines))]


def _pass(loaded: LoadedModel, base: Head, lines: Sequence[Line]) -> list[Continued]:
    fed = [[*begun, *rest][:-1] for begun, rest in lines]
    width = max(map(len, fed))
    # Right-padded: no earlier token sees what stands behind it.
    tokens = torch.tensor([[*ids, *[ids[-1]] * (width - len(ids))] for ids in fed], device=loaded.device)
    own = torch.full((width,), -1, dtype=torch.long, device=loaded.device)
    looking = lens.Pass(
        prefix_keys=list(base.keys),
        prefix_values=list(base.values),
        key_owners=torch.cat([base.owners, own]),
        query_owners=own,
    )
    places = len(base.ids) + torch.arange(width, device=loaded.device).expand_as(tokens)
    with lens.looking(looking):
        logits = loaded.model(input_ids=tokens, position_ids=places, use_cache=False).logits
    found = []
    for row, (begun, rest) in enumerate(lines):
        told = logits[row, len(begun) - 1 : len(begun) - 1 + len(rest)]
        told = torch.log_softmax(told.to(torch.promote_types(told.dtype, torch.float32)), dim=-1)
        wanted = torch.tensor(list(rest), device=loaded.device)
        likeliest = bool((told.argmax(dim=-1) == wanted).all())
        found.append(Continued(float(told.gather(1, wanted[:, None]).sum()), likeliest))
    return found
