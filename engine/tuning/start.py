"""Where the embedded model's training starts: random weights in which induction is already sketched.

Transformers learn in context once two kinds of heads meet: one that notes at each token what came before
it, and one that looks for earlier places where the present token was noted and copies what stands there
(induction heads, arXiv 2209.11895). From random weights that takes millions of tokens, on two CPU cores
most of an hour; written into the first two layers as a start, it takes none (initialisation in the image
of trained weights: arXiv 2305.09828). Everything stays trainable.
"""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

_LOOK_BACK = (1, 1, 2, 3)  # layer 0: how far each head looks back
_SHARP = 0.5  # of the heads that look back, per rotary pair
_SLOW = 0.012  # radians per position below which a rotary pair hardly depends on the distance
_FAST = 8  # rotary pairs quick enough to tell neighbouring positions apart
_NOTE = 0.6  # size of a note beside the token's own embedding of size 1
_MATCH = 10.0  # attention logit of a match over no match, in the heads that look for one
_COPY = 0.9  # size of what the looking heads copy, all together


def sketch_induction(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Write look-back heads into layer 0 and matching heads into layers 1 and 2, in place.

    Needs at least three layers and heads of even width with rotary pairs (i, i + width / 2), as in Llama.
    """
    config = model.config
    width, heads = config.to_dict()["hidden_size"], config.to_dict()["num_attention_heads"]
    head = width // heads
    base = config.to_dict()["rope_parameters"]["rope_theta"]
    speeds = base ** (-torch.arange(0, head, 2) / head)
    frame = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
    constant, tokens = frame[:, 0], frame[:, 1:]
    with torch.no_grad():
        embedding = model.get_parameter("model.embed_tokens.weight")
        embedding -= (embedding @ constant)[:, None] * constant
        embedding += constant
        looks = _look_back(_attention(model, 0), speeds, constant, tokens, head, generator)
        for layer, sources in ((1, (0, 1)), (2, tuple(range(len(looks))))):
            for number in range(heads):
                rows = slice(number * head, (number + 1) * head)
                look = looks[sources[number % len(sources)]]
                _seek(_attention(model, layer), rows, look, speeds, tokens, (head, heads), generator)


def _attention(model: LlamaForCausalLM, layer: int) -> dict[str, torch.nn.Parameter]:
    return {
        name: model.get_parameter(f"model.layers.{layer}.self_attn.{name}_proj.weight")
        for name in ("q", "k", "v", "o")
    }


def _look_back(
    into: dict[str, torch.nn.Parameter],
    speeds: torch.Tensor,
    constant: torch.Tensor,
    tokens: torch.Tensor,
    head: int,
    generator: torch.Generator,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Heads that note an earlier token at each position; (what is read, where it is noted) per head."""
    width = len(constant)
    looks = []
    for number, back in enumerate(_LOOK_BACK[: width // head]):
        rows = slice(number * head, (number + 1) * head)
        key, query = torch.zeros(head), torch.zeros(head)
        query[:_FAST] = 1.0
        key[:_FAST] = torch.cos(back * speeds[:_FAST])
        key[head // 2 : head // 2 + _FAST] = torch.sin(back * speeds[:_FAST])
        into["q"][rows] = _SHARP * query[:, None] * constant
        into["k"][rows] = _SHARP * key[:, None] * constant
        read = tokens[:, torch.randperm(width - 1, generator=generator)[:head]]
        note = tokens @ torch.linalg.qr(torch.randn(width - 1, head, generator=generator)).Q
        # A token has size sqrt(width / 2) after the norm, of which `read` sees a share.
        scale = (_NOTE / ((width / 2) ** 0.5 * (head / width) ** 0.5)) ** 0.5
        into["v"][rows] = scale * read.T
        into["o"][:, rows] = scale * note
        looks.append((read, note))
    return looks


def _seek(
    into: dict[str, torch.nn.Parameter],
    rows: slice,
    look: tuple[torch.Tensor, torch.Tensor],
    speeds: torch.Tensor,
    tokens: torch.Tensor,
    shape: tuple[int, int],
    generator: torch.Generator,
) -> None:
    """One head that finds where the present token was noted and copies the token that stands there."""
    (head, heads), width = shape, len(tokens)
    slow = torch.nonzero(speeds < _SLOW).flatten()
    slots = torch.cat([slow, slow + head // 2])
    read, note = look
    mix = torch.linalg.qr(torch.randn(head, head, generator=generator)).Q[: len(slots)]
    query, key = torch.zeros(head, width), torch.zeros(head, width)
    query[slots] = mix @ read.T
    key[slots] = mix @ note.T
    strength = (_MATCH * head**0.5 / _expected_match(width, head, len(slots))) ** 0.5
    into["q"][rows] += strength * query
    into["k"][rows] += strength * key
    part = tokens[:, torch.randperm(width - 1, generator=generator)[:head]]
    scale = 1.5 * (_COPY / (heads * width**0.5 / 2 * (head / width) ** 0.5)) ** 0.5
    into["v"][rows] = scale * part.T
    into["o"][:, rows] = scale * part


def _expected_match(width: int, head: int, slots: int) -> float:
    """Query times key of a match at strength 1: a token's share in `slots` directions, against its note."""
    token = width**0.5 / 2.0  # its size after the norm, beside constant and notes
    share = token * (head / width) ** 0.5 * (slots / head) ** 0.5
    return share * share * _NOTE
