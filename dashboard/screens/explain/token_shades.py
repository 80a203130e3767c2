"""The prompt as the picture: tokens of demonstrations shaded by their numbers. HTML out, no Streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.text.formats import signed
from dashboard.text.literal import block
from dashboard.ui.prompt import KINDS

FAINT = 0.03  # of the strongest: shades below it cannot be seen
SIGNED = {"effect": True, "attention": False}


def shaded(segments: Sequence[Mapping[str, Any]], numbers: Sequence[float], reading: str) -> str:
    """The prompt with its demonstrations' tokens shaded; `numbers`: one for each of those, in order.

    What helps and what hurts differ by colour and by the line beneath, and each token says its number.
    """
    most = max((abs(value) for value in numbers), default=0.0) or 1.0
    rest = iter(numbers)
    parts = []
    for part in segments:
        inside = part["kind"] == "demo"
        spans = [_span(text, next(rest), most, reading) if inside else block(text) for text in part["tokens"]]
        kind = part["kind"] if part["kind"] in KINDS else "query"
        name = f"demonstration {int(part['index']) + 1}" if inside else KINDS[kind]
        parts.append(f'<section class="{kind}"><p>{name}</p><div>{"".join(spans)}</div></section>')
    label = "Prompt with shaded tokens"
    return f'<div class="prompt tokens" tabindex="0" role="group" aria-label="{label}">{"".join(parts)}</div>'


def _span(text: str, value: float, most: float, reading: str) -> str:
    if not text or abs(value) < FAINT * most:
        return block(text)
    told = signed(value, 4) if SIGNED[reading] else f"{100 * value:.2f} %"
    kind = "seen" if not SIGNED[reading] else "up" if value > 0 else "down"
    strength = round((abs(value) / most) ** 0.5, 3)  # the root: a few tokens are far stronger than the rest
    return f'<i class="{kind}" style="--w: {strength}" title="{told}">{block(text)}</i>'
