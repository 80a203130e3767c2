"""Titles as vectors: the mean of a language model's own hidden states over the title's tokens.

Needs no second model. A title is read as it stands in a prompt, behind the opening tokens and a dash.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache, in_batches
from engine.prompts.segments import HEAD, title_answer

_AT_ONCE = 64  # titles of one pass


def pooled_states(
    loaded: LoadedModel, titles: Sequence[str], cache: PrefillCache | None = None
) -> NDArray[np.float32]:
    """One vector per title [n, width], float32; titles seen before come from the cache. Raises OutOfMemory.

    The states are those of the middle layer: the last one already leans towards the next token.
    """
    cache = cache or PrefillCache()

    def make(missing: Sequence[Hashable]) -> list[NDArray[np.float32]]:
        new = [key[-1] for key in missing]  # type: ignore[index]  # the keys below
        # Like lengths together: a pass is as long as its longest title.
        alike = sorted(new, key=lambda title: (len(title), title))
        parts = in_batches(alike, _AT_ONCE, lambda part: _pooled(loaded, part), "the titles' vectors")
        made = {title: vector for part in parts for title, vector in part.items()}
        return [made[title] for title in new]

    keys = [(loaded.key, "pooled", title) for title in titles]
    return np.stack(cache.get_all(keys, make, vector_bytes))


def vector_bytes(vector: NDArray[np.float32]) -> int:
    """Of a cached vector."""
    return vector.nbytes


@torch.no_grad()
def _pooled(loaded: LoadedModel, titles: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    opening = (*loaded.encoder.ids(HEAD), *loaded.encoder.ids("-"))
    rows = [(*opening, *loaded.encoder.joined(title_answer(title))) for title in titles]
    rows = [row[: loaded.context_length] for row in rows]
    longest = max(len(row) for row in rows)
    # Padding stands behind a title, where a causal model's earlier states do not see it.
    ids = torch.tensor([row + row[-1:] * (longest - len(row)) for row in rows], device=loaded.device)
    own = torch.tensor([[len(opening) <= i < len(row) for i in range(longest)] for row in rows])
    with lens.looking(lens.Pass()):
        states = loaded.model.base_model(
            input_ids=ids,
            position_ids=torch.arange(longest, device=loaded.device).expand_as(ids),
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
    middle = states[(len(states) - 1) // 2].float().cpu()  # [n, longest, width]
    pooled = (middle * own[:, :, None]).sum(1) / own.sum(1, keepdim=True).clamp_min(1)
    return dict(zip(titles, pooled.numpy(), strict=True))
