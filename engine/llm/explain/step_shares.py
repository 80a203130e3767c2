"""What the dual model's gradient step is made of, in every layer and KV head of a real prompt.

Hands the demonstrations' keys and values, as each layer's kernel saw them, to engine/lrgd/step_loss.py.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.llm.attention.lens import Seen
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, kept_weights, prepare
from engine.lrgd.step_loss import decreases


@torch.no_grad()
def step_shares(
    loaded: LoadedModel, task: Task, cache: PrefillCache, say: Callable[[int], object] = int
) -> tuple[Tensor, tuple[int, ...]]:
    """[layers, Hkv, k] shares of each demonstration in the prompt, and which those are.

    nan in a layer whose sliding window shows the question no demonstration. `say`: how many layers are done.
    """
    question, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, cache, task.edits)
    prompt = WeightedPrompt(loaded, fitted, head, reading(loaded, question, "loss", cache))
    weights = torch.tensor(kept_weights(task, fitted), dtype=prompt.dtype, device=loaded.device)
    asking, found = len(fitted.encoded) - 1, {}

    def note(seen: Seen) -> None:
        near = 0 if seen.window is None else asking - seen.window + 1
        places = torch.nonzero(head.owners >= 0)[:, 0]
        places = places[places >= near]
        keys, values = seen.keys[0][:, places], seen.values[0][:, places]
        shares = decreases(keys, values, head.owners[places], weights, seen.scale)
        found[seen.layer] = shares if len(places) else torch.full_like(shares, torch.nan)
        say(len(found))

    prompt.watched(weights[None], note)
    return torch.stack([found[layer] for layer in sorted(found)]), fitted.kept
