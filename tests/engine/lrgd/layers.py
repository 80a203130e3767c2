"""What real attention layers saw and gave, in float64, for every architecture."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from engine.llm.attention import lens
from engine.lrgd.verify import LayerRecord
from engine.prompts import PLAIN, Example, Segment, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import TITLES, make_loaded

DEMOS = (
    Example(TITLES[:2], TITLES[3]),
    Example(TITLES[4:5], TITLES[5]),
    Example(TITLES[1:3], TITLES[6]),
)
K = len(DEMOS)


@dataclass(frozen=True)
class Recorded:
    """Layer records at all query and answer tokens, and the owner of every token of the prompt."""

    layers: list[LayerRecord]
    owners: Tensor


@cache
def record(family: str, alpha: tuple[float, ...] | None = None) -> Recorded:
    """One run of a prompt at weights alpha (None: the plain SDPA kernel), beside one that hides all demos."""
    hidden = _run(family, (0.0,) * K)
    seen = _run(family, alpha)
    prompt, start = _prompt(family)
    at = torch.arange(start, len(prompt))
    layers = [
        LayerRecord(
            layer=s.layer,
            query=s.query[0, :, start:],
            keys=s.keys[0],
            values=s.values[0],
            output=s.output[0, :, start:],
            zero_shot=h.output[0, :, start:],
            positions=at,
            scale=s.scale,
            window=s.window,
        )
        for s, h in zip(seen, hidden, strict=True)
    ]
    return Recorded(layers, torch.tensor(prompt.owners()))


def _prompt(family: str):
    segments = render(PLAIN, "sum", DEMOS, TITLES[7:9])
    prompt = encode(
        make_loaded(family, dtype=torch.float64).encoder,
        [*segments, Segment("answer", 0, title_answer(TITLES[0]))],
    )
    return prompt, len(prompt.before("query"))


@torch.no_grad()
def _run(family: str, alpha: tuple[float, ...] | None) -> list[lens.Seen]:
    loaded = make_loaded(family, dtype=torch.float64)
    prompt, _ = _prompt(family)
    seen: list[lens.Seen] = []
    current = lens.Pass(observe=seen.append)
    if alpha is not None:
        owners = torch.tensor(prompt.owners())
        current.key_owners = current.query_owners = owners
        current.log_alpha = torch.tensor([alpha], dtype=torch.float64).log()
    with lens.looking(current):
        loaded.model(input_ids=torch.tensor([prompt.ids]), use_cache=False)
    return seen
