"""Alternatives timed in turn, the flop floor of each, and whole prompts run one by one.

Boundary: callables and token ids in, seconds and flops out; independent of what is measured.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from engine.llm.attention import linear
from engine.llm.loading.agreement import own_attention
from engine.llm.loading.load import LoadedModel
from engine.tuning.throughput import rate_of

_SQUARE = {"cpu": 1024, "cuda": 8192}  # sides of the product that every machine is measured with
_ROWS = {"cpu": 512, "cuda": 8192}  # tokens at once through the model's own widest layer
MOST = 8  # whole prompts of one alternative that are run for one user


@dataclass(frozen=True)
class Written:
    """A prompt written out: token ids, of which the last `scored` are the answer."""

    ids: tuple[int, ...]
    scored: int


def in_turn(ways: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Seconds of one call of each way, one after the other."""
    seconds = {}
    for name, work in ways.items():
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        seconds[name] = time.perf_counter() - start
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def middle(values: Sequence[float], digits: int = 2) -> float:
    """The median."""
    return round(statistics.median(values), digits)


@torch.no_grad()
def whole(loaded: LoadedModel, prompts: Sequence[Written], stock: bool) -> list[float]:
    """Log-probability (nats) of each answer, its prompt run as a whole through the model's own attention.

    stock: with PyTorch's own linear layers too, as transformers runs the model.
    """
    log_probs = []
    with ExitStack() as stack:
        stack.enter_context(own_attention(loaded.model))
        if stock:
            stack.enter_context(linear.as_written(loaded.model))
        for prompt in prompts:
            ids = torch.tensor([prompt.ids], device=loaded.device)
            logits = loaded.model(
                input_ids=ids[:, :-1], use_cache=False, logits_to_keep=prompt.scored
            ).logits[0]
            answer = ids[0, -prompt.scored :, None]
            log_probs.append(float(torch.log_softmax(logits.float(), -1).gather(1, answer).sum()))
    return log_probs


def sample(prompts: Sequence[Written], most: int) -> tuple[list[Written], float]:
    """At most so many of the prompts, evenly spread, and the tokens of all over those of the sample."""
    if len(prompts) <= most:
        return list(prompts), 1.0
    order = sorted(prompts, key=lambda p: len(p.ids))
    step = len(order) / most
    chosen = [order[int((i + 0.5) * step)] for i in range(most)]
    return chosen, sum(len(p.ids) for p in prompts) / sum(len(p.ids) for p in chosen)


def flops(loaded: LoadedModel, tokens: int, before: int = 0, scored: int = 0) -> float:
    """Of the products in one forward pass of `tokens` after `before` kept ones, with logits of `scored`."""
    model, text = loaded.model, loaded.model.config.get_text_config()
    looked_up = {id(model.get_input_embeddings().weight)}  # type: ignore[union-attr]
    head = model.get_output_embeddings().weight  # type: ignore[union-attr]
    weights = sum(
        p.numel() for p in model.parameters() if p.ndim == 2 and id(p) not in looked_up | {id(head)}
    )
    size = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    pairs = tokens * before + tokens * (tokens + 1) / 2
    attention = 4 * loaded.layers * int(text.num_attention_heads) * size * pairs
    return 2 * tokens * weights + attention + 2 * scored * head.numel()


def rate(loaded: LoadedModel) -> float:
    """Flops per second of products in the model's dtype: the best of its widest layer and a large square."""
    text, device = loaded.model.config.get_text_config(), loaded.device
    side = _SQUARE[device.type]
    wide = int(getattr(text, "intermediate_size", None) or 4 * text.hidden_size)
    shapes = ((side, side, side), (_ROWS[device.type], int(text.hidden_size), wide))
    best = 0.0
    for rows, inner, out in shapes:
        left = torch.randn(rows, inner, device=device).to(loaded.dtype)
        right = torch.randn(out, inner, device=device).to(loaded.dtype)
        ways = [lambda left=left, right=right: left @ right.t()]
        if linear.available(device, loaded.dtype):
            ways.append(lambda left=left, right=right: linear.product(left, right))
        best = max(best, *(rate_of(way, 2 * rows * inner * out, device) for way in ways))
    return best


def described(loaded: LoadedModel, speed: float) -> dict[str, object]:
    """What was measured, and on which machine."""
    return {
        "model": loaded.name,
        "parameters": loaded.parameters,
        "device": str(loaded.device),
        "dtype": loaded.dtype_name,
        "threads": torch.get_num_threads(),
        "gflops_per_second": round(speed / 1e9, 1),
    }


def bar(what: str, limit: float, measured: float, at_most: bool = False) -> dict[str, object]:
    """A criterion and whether it is met: `measured` at least (or at most) `limit`."""
    return {
        "what": what,
        "bar": limit,
        "found": measured,
        "holds": measured <= limit if at_most else measured >= limit,
    }
