"""Writing on after a prompt, token by token, with the sample weights acting as in ranking.

Knows token ids and text: no titles, no catalogue.
"""

import torch
from torch import Tensor

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, extend


def write(loaded: LoadedModel, prompt: Prefix, lines: int, most: int, gate: Tensor | None = None) -> str:
    """The likeliest text, greedily, until so many lines, an empty line, an end token or `most` tokens.

    gate [k]: log weights of the demonstrations. Deterministic. Raises OutOfMemory.
    """
    ends = _ends(loaded)
    ids: list[int] = []
    text = ""
    with torch.no_grad():
        for _ in range(most):
            chosen = int(prompt.next_logprobs.argmax())
            if chosen in ends:
                break
            ids.append(chosen)
            text = str(loaded.tokenizer.decode(ids, skip_special_tokens=True))
            if text.count("\n") >= lines or "\n\n" in text:
                break
            prompt = extend(loaded, prompt.head(), [chosen], [-1], gate)
    return text


def _ends(loaded: LoadedModel) -> set[int]:
    """Tokens that end an answer: the tokenizer's, and those of the model's own generation settings."""
    settings = getattr(loaded.model, "generation_config", None)
    own = getattr(settings, "eos_token_id", None)
    several = own if isinstance(own, list) else [own]
    return {int(one) for one in (*several, loaded.tokenizer.eos_token_id) if isinstance(one, int)}
