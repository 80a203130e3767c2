"""A prompt as the model reads it: its segments in colour, with their lengths, and what did not fit.

Boundary: draws what a job of the kind "template" answered (`engine.tasks.template_preview`); asks nothing.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.text import values
from dashboard.text.formats import count, plural
from dashboard.text.literal import block, md
from db.choices import SCORINGS

# Kind of a segment -> its name in the legend, in the order of a prompt. Its colour is in style.css.
KINDS = {
    "system": "system message",
    "prefix": "introduction",
    "demo": "demonstrations",
    "hint": "hint",
    "query": "history and question",
    "ask": "candidate",
    "answer": "answer that is scored",
}
ASKED = {"listwise": "candidates", "free": "candidates", "rating": "item", "summary": "review"}
"""What the segment `ask` is where it is not one candidate."""
WANTED = {
    "free": "The model writes titles",
    "rating": "Each rating is scored as an answer",
    "explanation": "The model writes why the item fits",
    "summary": "The model writes the review in a few words",
}
"""What is done with a prompt that ranks nothing."""
Shown = Mapping[str, Any]


def prompt(shown: Shown, *, short: bool = False) -> None:
    """Draw it: a bar of lengths with its legend, how much of the context it takes, then the text.

    short: leaves room for a message above it.
    """
    st.html(f"{bar(shown)}{legend(shown)}")
    st.caption(md(about(shown)))
    st.html(text(shown, short=short))


def about(shown: Shown) -> str:
    """How long it is of how much, what was cut for it, and how it ranks. Plain text."""
    lost = Counter(d["kind"] for d in shown["dropped"])
    cut = [
        plural(lost[kind], name)
        for kind, name in (("demo", "demonstration"), ("history", "item"))
        if lost[kind]
    ]
    said = f"{' and '.join(cut)} did not fit and {'was' if sum(lost.values()) == 1 else 'were'} cut"
    wanted = shown["scoring"]
    parts = [
        _size(shown),
        f"{said if cut else 'Nothing was cut'}.",
        f"{WANTED[wanted]}." if wanted in WANTED else f"Ranks by {values.label(SCORINGS, wanted)}.",
        "" if shown["exact"] else "The tokenizer joins lines, so these are not the tokens of the whole text.",
    ]
    return " ".join(part for part in parts if part)


def _size(shown: Shown) -> str:
    length, room = shown["length"], shown["room"]
    if shown["unit"] == "token":
        return f"{count(length)} of {plural(room, 'token')}."
    return f"{plural(length, 'character')} of about {count(room)}; the server alone counts tokens."


def bar(shown: Shown) -> str:
    """The segments side by side, as wide as they are long; the legend says the same in words."""
    parts = "".join(
        f'<i class="{_kind(part)}" style="flex-grow: {int(part["length"])}"></i>'
        for part in shown["segments"]
    )
    return f'<div class="prompt-bar" aria-hidden="true">{parts}</div>'


def legend(shown: Shown) -> str:
    """What each colour means, and how long it is."""
    lengths: Counter[str] = Counter()
    for part in shown["segments"]:
        lengths[_kind(part)] += int(part["length"])
    rows = (
        f'<li><i class="{kind}"></i>{_title(kind, shown)} <b>{count(lengths[kind])}</b></li>'
        for kind in KINDS
        if kind in lengths
    )
    label = f"{_unit(shown).title()}s by part"
    return f'<ul class="prompt-legend" aria-label="{label}">{"".join(rows)}</ul>'


def text(shown: Shown, *, short: bool = False) -> str:
    """The prompt itself, a block for each segment."""
    return (
        f'<div class="prompt{" short" if short else ""}" tabindex="0" role="group" aria-label="Prompt">'
        + "".join(
            f'<section class="{_kind(part)}"><p>{_name(part, shown)} · '
            f"{plural(int(part['length']), _unit(shown))}</p><div>{block(str(part['text']))}</div></section>"
            for part in shown["segments"]
        )
        + "</div>"
    )


def _unit(shown: Shown) -> str:
    """It becomes part of the page."""
    return "token" if shown["unit"] == "token" else "character"


def _name(part: Mapping[str, Any], shown: Shown) -> str:
    return f"demonstration {int(part['index']) + 1}" if part["kind"] == "demo" else _title(_kind(part), shown)


def _title(kind: str, shown: Shown) -> str:
    return ASKED.get(shown["scoring"], KINDS[kind]) if kind == "ask" else KINDS[kind]


def _kind(part: Mapping[str, Any]) -> str:
    """The segment's kind, if it is one of ours: it becomes part of the page."""
    return part["kind"] if part["kind"] in KINDS else "query"
