"""Does this model's attention equal the dual model, layer by layer, on a real prompt?

Runs the prompt once through the model's SDPA kernel and once with the demonstrations hidden, and hands what
each layer saw to engine/lrgd/verify.py (arXiv 2504.04386; reconstruction of LRGD).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from db.errors import BadInput
from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.lrgd.verify import TOLERANCE, LayerCheck, LayerRecord, check_layer
from engine.prompts import PLAIN, Encoded, Example, Segment, encode, fit
from engine.prompts.segments import title_answer

DEMOS = (
    Example(
        ("Wireless Controller - Blue", "Racing Wheel", "Star Harbor Deluxe Edition"), "Moonlit Kart Racing"
    ),
    Example(("Puzzle Garden 2", "Paper Kingdoms"), "The Long Tide"),
    Example(("Night Bus Simulator", "Dragon Ledger", "Robot Orchard"), "Star Harbor Collector's Guide"),
)
HISTORY = ("Racing Wheel", "Wireless Controller - Blue", "Star Harbor Deluxe Edition")
ANSWER = "Moonlit Kart Racing"


@dataclass(frozen=True)
class Check:
    """Per layer relative errors of the rebuilt attention output. ok: all forms are within `tolerance`."""

    layers: tuple[LayerCheck, ...]
    dtype: str
    tolerance: float
    ok: bool
    tokens: int
    demonstrations: int


@torch.no_grad()
def check_model(
    loaded: LoadedModel,
    demos: tuple[Example, ...] = DEMOS,
    history: tuple[str, ...] = HISTORY,
    answer: str = ANSWER,
) -> Check:
    """Checks the identities at every token of query and answer of one prompt (by default a built-in one).

    Raises BadInput where no demonstration fits into the model's context.
    """
    tail = loaded.encoder.joined(title_answer(answer))
    fitted = fit(loaded.encoder, PLAIN, "sum", demos, history, loaded.context_length - len(tail))
    if not fitted.kept:
        raise BadInput(f"No demonstration fits into the {loaded.context_length} tokens {loaded.name} takes.")
    shown = Segment("answer", 0, title_answer(answer))
    prompt = encode(loaded.encoder, [*fitted.segments, shown])
    return check_prompt(loaded, prompt, len(fitted.kept), len(prompt.before("query")))


@torch.no_grad()
def check_prompt(
    loaded: LoadedModel, prompt: Encoded, demonstrations: int, start: int, weights: Sequence[float] = ()
) -> Check:
    """Checks the identities at the tokens of a prompt from `start` on, all behind its demonstrations.

    weights: sample weights of the demonstrations, whose gate is then part of what is checked; none: all 1.
    """
    alpha = None
    if any(weight != 1 for weight in weights):
        alpha = torch.tensor(list(weights), dtype=torch.float64, device=loaded.device)
    hidden = _outputs(loaded, prompt, start, torch.zeros(demonstrations, device=loaded.device))
    owners = torch.tensor(prompt.owners(), device=loaded.device)
    positions = torch.arange(start, len(prompt), device=loaded.device)
    found: list[LayerCheck] = []

    def note(seen: lens.Seen) -> None:
        record = LayerRecord(
            layer=seen.layer,
            query=seen.query[0, :, start:],
            keys=seen.keys[0],
            values=seen.values[0],
            output=seen.output[0, :, start:],
            zero_shot=hidden[seen.layer],
            positions=positions,
            scale=seen.scale,
            window=seen.window,
        )
        found.append(check_layer(record, owners, demonstrations, alpha))

    _look(loaded, prompt, note, alpha)
    tolerance = TOLERANCE[loaded.dtype]
    worst = max(max(layer.form_a, layer.form_b, layer.form_c) for layer in found)
    return Check(
        layers=tuple(found),
        dtype=loaded.dtype_name,
        tolerance=tolerance,
        ok=worst <= tolerance,
        tokens=len(prompt),
        demonstrations=demonstrations,
    )


def _outputs(loaded: LoadedModel, prompt: Encoded, start: int, alpha: Tensor) -> dict[int, Tensor]:
    """Each layer's output [H, S, dv] from `start` on, at sample weights alpha; 0: nothing is seen of them."""
    outputs: dict[int, Tensor] = {}

    def note(seen: lens.Seen) -> None:
        outputs[seen.layer] = seen.output[0, :, start:]

    _look(loaded, prompt, note, alpha)
    return outputs


def _look(
    loaded: LoadedModel, prompt: Encoded, note: Callable[[lens.Seen], None], alpha: Tensor | None
) -> None:
    """One pass over the whole prompt, in the model's own kernel without a gate."""
    current = lens.Pass(observe=note)
    if alpha is not None:
        owners = torch.tensor(prompt.owners(), device=loaded.device)
        current.log_alpha, current.key_owners, current.query_owners = log_gate(alpha)[None], owners, owners
    ids = torch.tensor([prompt.ids], device=loaded.device)
    places = torch.arange(len(prompt), device=loaded.device)[None]
    with lens.looking(current):
        loaded.model(input_ids=ids, position_ids=places, use_cache=False, logits_to_keep=1)
