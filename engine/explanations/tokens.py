"""What each token of each demonstration contributes, in each layer and head: `llm/explain/token_parts.py`.

Numbers of every single head are kept as a text of its own, which a page reads when a head is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from db import explanations, texts
from db.effect_results import UNITS
from engine.explanations.asking import MEASURE, Asked, listed, short, signed
from engine.progress import Report, counted
from engine.prompts.token_texts import token_texts

if TYPE_CHECKING:
    from torch import Tensor

    from engine.llm.explain.token_parts import TokenParts

USUAL_PASSES = 12  # gradients that the integral takes at least
NAMED = 3  # tokens that the sentence names


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`segments[]`: kind, place of the demonstration, tokens, and for those of demonstrations `effect` and
    `attention`, one number per token. `parts[]`: their sums for each demonstration. `heads`: the sums of each
    layer and head. `detail`: hash of the text with the numbers of every head (`db.explanations`)."""
    from engine.llm.explain.token_parts import token_parts

    def say(done: int) -> None:
        report(min(0.95, done / (USUAL_PASSES + 1)), f"{counted(done, 'gradient')} taken")

    found = token_parts(asked.loaded, asked.task, MEASURE, asked.cache, say)  # type: ignore[arg-type]
    with asked.engine.store.write() as connection:
        detail = texts.put(connection, _detail(found))
    segments = _segments(asked, found)
    result = {
        "measure": MEASURE,
        "segments": segments,
        "parts": _parts(asked, found),
        "heads": {"effect": _by_head(found.effect), "attention": _by_head(found.attention)},
        "detail": detail,
        "value_zero_shot": found.value_off,
        "value": found.value,
        "error": found.error,
        "passes": found.passes,
    }
    return {**result, "said": said(result)}


def said(result: dict[str, Any]) -> str:
    """What the picture shows, in words."""
    tokens = [
        (value, text, part["index"])
        for part in result["segments"]
        if part["kind"] == "demo"
        for value, text in zip(part["effect"], part["tokens"], strict=True)
        if text.strip()
    ]
    strongest = sorted(tokens, key=lambda token: -abs(token[0]))[:NAMED]
    named = [f"“{short(text)}” of number {place + 1} ({signed(value)})" for value, text, place in strongest]
    gain = sum(part["effect"] for part in result["parts"])
    heads = [abs(value) for layer in result["heads"]["effect"] for value in layer]
    most = max(range(len(heads)), key=heads.__getitem__)
    layer, head = divmod(most, len(result["heads"]["effect"][0]))
    whole = sum(heads) or 1.0
    return (
        f"All tokens add up to {signed(gain)} {UNITS[MEASURE]}; the largest contributions are those of "
        f"{listed(named)}. Layer {layer + 1}, head {head + 1} carries {100 * heads[most] / whole:.0f} % of "
        "what all heads move, up or down."
    )


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """The sums of each demonstration, and every token of it."""
    unit = UNITS[result["measure"]]
    parts = [[place, part["effect"], part["attention"]] for place, part in enumerate(result["parts"], 1)]
    tokens = [
        [part["index"] + 1, json.dumps(text, ensure_ascii=False), effect, attention]
        for part in result["segments"]
        if part["kind"] == "demo"
        for text, effect, attention in zip(part["tokens"], part["effect"], part["attention"], strict=True)
    ]
    columns = [f"contribution ({unit})", "attention"]
    return [(["demonstration", *columns], parts), (["demonstration", "token", *columns], tokens)]


def _detail(found: TokenParts) -> str:
    effect, attention = (
        values.cpu().numpy().astype(np.float16) for values in (found.effect, found.attention)
    )
    return explanations.written(explanations.Heads(effect, attention))


def _segments(asked: Asked, found: TokenParts) -> list[dict[str, Any]]:
    """The prompt's segments with their tokens, and the numbers of those that are demonstrations."""
    effect = found.effect.sum((0, 1)).tolist()
    attention = found.attention.mean((0, 1)).tolist()
    numbers = {place: (effect[n], attention[n]) for n, place in enumerate(found.places.tolist())}
    made = []
    for segment, span in zip(found.fitted.segments, found.fitted.encoded.spans, strict=True):
        part: dict[str, Any] = {"kind": segment.kind, "tokens": token_texts(asked.loaded.encoder, segment)}
        if segment.kind == "demo":
            rows = [numbers[place] for place in range(span.start, span.stop)]
            part |= {
                "index": found.fitted.kept[segment.index],
                "effect": [row[0] for row in rows],
                "attention": [row[1] for row in rows],
            }
        made.append(part)
    return made


def _parts(asked: Asked, found: TokenParts) -> list[dict[str, Any]]:
    """The sums of each demonstration's tokens; 0 for one that did not fit into the prompt."""
    place_of = {place: b for b, place in enumerate(found.fitted.kept)}
    rows = []
    for place, name in enumerate(asked.ids):
        own = found.owners == place_of.get(place, -1)
        rows.append(
            {
                "id": name,
                "effect": float(found.effect[:, :, own].sum()),
                "attention": float(found.attention[:, :, own].sum(-1).mean()),
            }
        )
    return rows


def _by_head(values: Tensor) -> Sequence[Sequence[float]]:
    """[layers][heads]: sums over tokens."""
    return values.sum(-1).tolist()
