"""A prompt as the model reads it: its segments in colour, with their tokens, and what did not fit.

Boundary: draws what a job of the kind "template" answered (`engine.tasks.templates.preview`); asks nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.text import values
from dashboard.text.formats import count, plural
from dashboard.text.literal import block, md
from db.choices import SCORINGS

# Kind of a segment -> its name in the legend, in the order of a prompt. Its colour is in style.css.
KINDS = {
    "prefix": "introduction",
    "demo": "demonstrations",
    "hint": "hint",
    "query": "history and question",
    "ask": "candidate",
    "answer": "answer that is scored",
}
Segments = Sequence[Mapping[str, Any]]


def prompt(shown: Mapping[str, Any], *, short: bool = False) -> None:
    """Draw it: a bar of tokens with its legend, how much of the context it takes, then the text.

    short: leaves room for a message above it.
    """
    segments = shown["segments"]
    st.html(f"{bar(segments)}{legend(segments)}")
    st.caption(md(about(shown)))
    st.html(text(segments, short=short))


def about(shown: Mapping[str, Any]) -> str:
    """How many tokens it has of how many, what was cut for it, and how it ranks. Plain text."""
    tokens, most, lost = (
        shown["tokens"],
        shown["context_length"],
        Counter(d["kind"] for d in shown["dropped"]),
    )
    cut = [
        plural(lost[kind], name)
        for kind, name in (("demo", "demonstration"), ("history", "item"))
        if lost[kind]
    ]
    said = f"{' and '.join(cut)} did not fit and {'was' if sum(lost.values()) == 1 else 'were'} cut"
    parts = [
        f"{count(tokens)} of {plural(most, 'token')}.",
        f"{said if cut else 'Nothing was cut'}.",
        f"Ranks by {values.label(SCORINGS, shown['scoring'])}.",
        "" if shown["exact"] else "The tokenizer joins lines, so these are not the tokens of the whole text.",
    ]
    return " ".join(part for part in parts if part)


def bar(segments: Segments) -> str:
    """The segments side by side, as wide as their tokens; the legend says the same in words."""
    parts = "".join(
        f'<i class="{_kind(part)}" style="flex-grow: {int(part["tokens"])}"></i>' for part in segments
    )
    return f'<div class="prompt-bar" aria-hidden="true">{parts}</div>'


def legend(segments: Segments) -> str:
    """What each colour means, and how many tokens there are of it."""
    tokens: Counter[str] = Counter()
    for part in segments:
        tokens[_kind(part)] += int(part["tokens"])
    rows = (
        f'<li><i class="{kind}"></i>{name} <b>{count(tokens[kind])}</b></li>'
        for kind, name in KINDS.items()
        if kind in tokens
    )
    return f'<ul class="prompt-legend" aria-label="Tokens by part">{"".join(rows)}</ul>'


def text(segments: Segments, *, short: bool = False) -> str:
    """The prompt itself, a block for each segment."""
    return (
        f'<div class="prompt{" short" if short else ""}" tabindex="0" role="group" aria-label="Prompt">'
        + "".join(
            f'<section class="{_kind(part)}"><p>{_name(part)} · {plural(int(part["tokens"]), "token")}</p>'
            f"<div>{block(str(part['text']))}</div></section>"
            for part in segments
        )
        + "</div>"
    )


def _name(part: Mapping[str, Any]) -> str:
    return f"demonstration {int(part['index']) + 1}" if part["kind"] == "demo" else KINDS[_kind(part)]


def _kind(part: Mapping[str, Any]) -> str:
    """The segment's kind, if it is one of ours: it becomes part of the page."""
    return part["kind"] if part["kind"] in KINDS else "query"
