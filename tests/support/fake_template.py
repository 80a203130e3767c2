"""The fake engine's answers about prompt templates: their texts, a prompt with hostile titles, saving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db import templates
from db.choices import TEMPLATES
from db.errors import BadInput
from db.store import Store
from tests.support.shop import HOSTILE

BUILT_IN = Path(__file__).parents[2] / "engine" / "prompts" / "templates"
FAULT = "[title] query: there is no placeholder {user} here. There are: {history}, <b>{answer}</b>."
SECTIONS = {"[title]": ("sum", "mean", "calibrated"), "[yes_no]": ("yes_no",), "[listwise]": ("listwise",)}


def text_of(store: Store, reference: str) -> str:
    """The text of a template."""
    if reference in TEMPLATES:
        return (BUILT_IN / f"{reference}.toml").read_text(encoding="utf-8")
    return templates.get(store, reference).text


def scorings(text: str) -> tuple[str, ...]:
    """Those whose sections the text has; refuses none and a text with `{user}`, as the real one would."""
    if not text.strip() or "{user}" in text:
        raise BadInput(FAULT)
    return tuple(name for section, names in SECTIONS.items() if section in text for name in names)


def saved(store: Store, name: str, text: str) -> dict[str, Any]:
    """`{reference}` of a text that is kept from now on."""
    return {"reference": templates.save(store, name, text, scorings(text)).reference}


def preview(
    text: str, views: Sequence[Mapping[str, Any]], wanted: str | None = None, unit: str = "token"
) -> dict[str, Any]:
    """A prompt whose introduction is the template's first line, with one demonstration that was cut."""
    able, first = scorings(text), text.strip().splitlines()[0]
    shown = [
        {"kind": "demo", "index": at, "text": f"Bought:\n- {view['answer']['title']}\n\n", "length": 40 + at}
        for at, view in enumerate(views)
    ]
    segments = [
        {"kind": "prefix", "index": 0, "text": f"{first}\n\n", "length": 12},
        *shown,
        {"kind": "query", "index": 0, "text": "Bought:\n- " + "\n- ".join(HOSTILE), "length": 90},
        {"kind": "ask", "index": 0, "text": "On offer:\n- Rose Perfume\n", "length": 7},
        *([] if wanted else [{"kind": "answer", "index": 0, "text": " Rose Perfume\n", "length": 3}]),
    ]
    if unit == "character":
        segments.insert(0, {"kind": "system", "index": 0, "text": "Answer with one word.", "length": 21})
    return {
        "segments": segments,
        "length": sum(int(part["length"]) for part in segments),
        "room": 2048,
        "unit": unit,
        "dropped": [{"kind": "demo", "index": len(views)}],
        "scoring": wanted or able[0],
        "scorings": list(able),
        "template": "draft",
        "exact": True,
    }
