"""Whether the lens computes what a model's own attention computes: asked once, when a model is loaded.

What ranking and effects run is compared with the model's own attention over the whole prompt, which is told
neither positions nor parts: prefix and suffix apart, rows of different length, demonstrations at weights 0
and one half, a prompt longer than a sliding window, and a slope in a weight. A model class may differ in any
of these; what differs is refused, as every number would be wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import logging as hf_logging

from db.errors import DualensError, ModelError, OutOfMemory
from engine.llm.attention import lens
from engine.llm.loading.configuration import PROVEN
from engine.llm.loading.folder import line_of

# Relative difference of logits up to which the lens and the model's own kernel count as the same, by the
# format that the model computes in, or that of the numbers where it is a coarser one.
_AGREE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}
_TOKENS = 24
_DEMOS = (3, 7, 11)  # where the first demonstration, the second and the suffix begin
_SHORTER = 4  # tokens by which the second row is shorter
_WEIGHTS, _HALVES = (0.0, 0.5), (0.5, 0.5)
_NARROW, _WIDE = 6, 1 << 20  # tokens of a sliding window that hides a part of the prompt, or none


def check(model: PreTrainedModel, ids: Sequence[int], layers: int, name: str) -> None:
    """Raises ModelError, whose one sentence says what is not reproduced, or OutOfMemory.

    ids: of any text, repeated or cut to what is needed. name: what the error calls the model.
    """
    tokens = torch.tensor((list(ids) * _TOKENS)[:_TOKENS], device=model.device)
    for what, compared in _COMPARISONS.items():
        try:
            with torch.no_grad():
                ours, theirs = compared(model, tokens, layers)
        except DualensError as error:
            raise type(error)(f"{name}: {error}") from error
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(f"The memory of {model.device} ran out while {name} was tried out.") from error
        except Exception as error:  # a model of any class may fail in any way
            raise ModelError(
                f"{name} does not work with the lens: {what} failed ({line_of(error)}). "
                f"Supported are {PROVEN} models."
            ) from error
        most = max(_AGREE[model.dtype], _AGREE[theirs.dtype])
        _judge(ours, theirs, most, what, name)


def _judge(ours: Tensor, theirs: Tensor, most: float, what: str, name: str) -> None:
    if not bool(theirs.isfinite().all()):
        raise ModelError(
            f"{name} computes NaN or infinity from a plain text: its weights are damaged, or too large for "
            "this dtype. Fetch it again, or choose float32."
        )
    gap = float((ours - theirs).double().norm() / theirs.double().norm().clamp_min(1e-30))
    if not gap <= most:
        raise ModelError(
            f"{name} computes attention or positions in a way the lens does not reproduce: {what} differs by "
            f"{gap:.1%} from the model's own. Supported are {PROVEN} models."
        )


def _one_pass(model: PreTrainedModel, ids: Tensor, _: int) -> tuple[Tensor, Tensor]:
    return _lens(model, ids[None], lens.Pass()), _own(model, ids)


def _in_parts(model: PreTrainedModel, ids: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    return _behind_prefix(model, ids, layers), _of_rows(_own(model, ids))


def _beyond_window(model: PreTrainedModel, ids: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    with _window(model, _NARROW):
        whole, parts = _lens(model, ids[None], lens.Pass()), _behind_prefix(model, ids, layers)
        theirs = _own(model, ids)
    return torch.cat([whole, parts]), torch.cat([theirs, _of_rows(theirs)])


def _weighted(model: PreTrainedModel, ids: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    with _window(model, _WIDE):
        gate = torch.tensor(_WEIGHTS, device=ids.device).log()
        return _behind_prefix(model, ids, layers, gate), _of_rows(_own(model, ids, _mask(model, ids, gate)))


def _slopes(model: PreTrainedModel, ids: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Of one logit in the weights. In half precision they are rough: only their being there counts."""
    slopes = []
    with _window(model, _WIDE), torch.enable_grad():
        for own in (False, True):
            gate = torch.tensor(_HALVES, device=ids.device).log().requires_grad_(True)
            logits = (
                _of_rows(_own(model, ids, _mask(model, ids, gate)))
                if own
                else _behind_prefix(model, ids, layers, gate)
            )
            slopes.append(torch.autograd.grad(logits[0, 0].float(), gate)[0])
    rough = model.dtype.itemsize < 4
    return (slopes[1] if rough and bool(slopes[0].isfinite().all()) else slopes[0]), slopes[1]


_COMPARISONS: dict[str, Callable[[PreTrainedModel, Tensor, int], tuple[Tensor, Tensor]]] = {
    "a prompt in one pass": _one_pass,
    "a prompt in two parts": _in_parts,
    "a prompt beyond its sliding window": _beyond_window,
    "a prompt whose demonstrations have weights": _weighted,
    "the slope in a weight": _slopes,
}


def _behind_prefix(
    model: PreTrainedModel, ids: Tensor, layers: int, log_alpha: Tensor | None = None
) -> Tensor:
    """Logits of the suffix in two rows, behind a prefix whose keys and values were computed before."""
    start, shorter = _DEMOS[-1], len(ids) - _SHORTER
    before = lens.Pass(keep=True)
    _lens(model, ids[None, :start], before)
    if sorted(before.keys) != list(range(layers)):
        raise ModelError(
            f"its {layers} layers do not each send their attention once through transformers' interface, so "
            f"the lens cannot see them. Supported are {PROVEN} models."
        )
    padded = torch.cat([ids[start:shorter], ids[shorter - 1].expand(_SHORTER)])
    own = _owners(ids)
    behind = lens.Pass(
        prefix_keys=[before.keys[layer] for layer in range(layers)],
        prefix_values=[before.values[layer] for layer in range(layers)],
        key_owners=own,
        query_owners=own[start:],
        log_alpha=None if log_alpha is None else log_alpha[None],
    )
    return _lens(model, torch.stack([ids[start:], padded]), behind, start, _SHORTER)


def _lens(
    model: PreTrainedModel, rows: Tensor, current: lens.Pass, first: int = 0, padding: int = 0
) -> Tensor:
    """Logits [N, V] through the lens, asked for as scoring does: by a mask, at given positions.

    padding: tokens at the end of the last row whose logits are not asked for.
    """
    places = (first + torch.arange(rows.shape[1], device=rows.device)).expand_as(rows)
    asked = torch.ones_like(rows, dtype=torch.bool)
    asked[-1, rows.shape[1] - padding :] = False
    with lens.looking(current):
        logits = model(
            input_ids=rows,
            position_ids=places,
            use_cache=False,
            logits_to_keep=asked,
        ).logits
    logits = logits.reshape(-1, logits.shape[-1])
    if len(logits) != int(asked.sum()):
        raise ModelError(
            f"it does not compute only the logits that are asked for. Supported are {PROVEN} models."
        )
    return _centred(logits)


def _own(model: PreTrainedModel, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """Logits [n, V] of the whole prompt by the model's own attention, which adds mask [1, 1, n, n].

    Without a mask the model counts positions itself; from one like this some cannot.
    """
    places = None if mask is None else torch.arange(len(ids), device=ids.device)[None]
    with own_attention(model):
        seen = model(input_ids=ids[None], attention_mask=mask, position_ids=places, use_cache=False)
    return _centred(seen.logits[0])


def _centred(logits: Tensor) -> Tensor:
    """What all tokens of the vocabulary have in common means nothing."""
    return logits - logits.mean(-1, keepdim=True)


def _of_rows(logits: Tensor) -> Tensor:
    """The suffix's logits for both rows: all of [n, V] from its start, and those of the shorter row."""
    return torch.cat([logits[_DEMOS[-1] :], logits[_DEMOS[-1] : -_SHORTER]])


def _owners(ids: Tensor) -> Tensor:
    """Demonstration of each token [n]."""
    own = torch.full_like(ids, -1)
    for b, (start, stop) in enumerate(pairwise(_DEMOS)):
        own[start:stop] = b
    return own


def _mask(model: PreTrainedModel, ids: Tensor, log_alpha: Tensor) -> Tensor:
    """[1, 1, n, n]: causal, with log alpha_b where a token outside the demonstrations looks at one of b."""
    own, at = _owners(ids), torch.arange(len(ids), device=ids.device)
    edges = torch.where((own[:, None] < 0) & (own[None] >= 0), log_alpha[own.clamp_min(0)][None], 0.0)
    return torch.where(at[:, None] >= at, edges, float("-inf")).to(model.dtype)[None, None]


@contextmanager
def _window(model: PreTrainedModel, tokens: int) -> Iterator[None]:
    """The model with its sliding windows, where it has some, of so many tokens."""
    holders = [*model.modules(), model.config, model.config.get_text_config()]
    kept = [(holder, holder.sliding_window) for holder in holders if _slides(holder)]
    for holder, _ in kept:
        holder.sliding_window = tokens
    try:
        yield
    finally:
        for holder, size in kept:
            holder.sliding_window = size


def _slides(holder: object) -> bool:
    return isinstance(getattr(holder, "sliding_window", None), int)


@contextmanager
def own_attention(model: PreTrainedModel) -> Iterator[None]:
    """Switches a loaded model to the kernel it would use without the lens, inside the block."""
    name = "sdpa" if model._supports_sdpa else "eager"
    with quiet():
        model.set_attn_implementation(name)
    try:
        yield
    finally:
        with quiet():
            model.set_attn_implementation(lens.NAME)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' warnings and progress bars away from a person's terminal."""
    level = hf_logging.get_verbosity()
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()
