"""What can be asked of the optimizer, as fields; and the payload, which leaves out what nobody changed."""

from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

import streamlit as st

from dashboard.state.view import View
from dashboard.text.words import SOURCES as SOURCE_NAMES
from dashboard.ui import help
from db.choices import EDITS, SOURCES
from db.requests import OptimizeRequest
from db.requests.edits import Edit

USUAL: dict[str, Any] = {field.name: field.default for field in fields_of(OptimizeRequest)}
STAGES = {2: "choose, then weigh", 1: "choose only"}


def payload(view: View, options: Mapping[str, Any]) -> dict[str, Any]:
    """The question for the view's user; the defaults of what nobody changed are the engine's."""
    wanted = {
        "target": view.target,
        "history": view.history,
        "scoring": view.scoring,
        "seed": view.seed,
        **options,
    }
    changed = {name: value for name, value in wanted.items() if value != USUAL[name]}
    if "sources" in changed:
        changed["sources"] = list(changed["sources"])
    return {"dataset": view.dataset, "user": view.user, "model": view.model, **changed}


def fields(view: View) -> dict[str, Any]:
    """Draw the fields; what they say."""
    left, middle, right = st.columns(3, gap="small")
    with left:
        size = _whole("Demonstrations, at most", "size", 1, 16)
        tokens = st.number_input(
            "Tokens, at most",
            50,
            100_000,
            value=None,
            step=50,
            key="optimize-tokens",
            placeholder="what the model holds",
            help=help.more(
                "Demonstrations together take no more than this in the prompt.", "recommend#optimize"
            ),
        )
    with middle:
        probes = _whole("Past purchases to judge on", "probes", 2, 64, "More make it surer and slower.")
        beam = _whole("Sets followed at once (beam)", "beam", 1, 16, "1 is plain greedy.")
    with right:
        stages = st.segmented_control(
            "Do",
            list(STAGES),
            default=USUAL["stages"],
            required=True,
            format_func=STAGES.__getitem__,
            key="optimize-stages",
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, value=view.seed, key="optimize-seed")
        guard = st.toggle(
            "Apply only what is confirmed",
            value=USUAL["guard"],
            key="optimize-guard",
            help=help.more(
                "By purchases that did not choose. Off: what was chosen is applied.", "glossary#guard"
            ),
        )
    sources, perturb = _sources(), _edits()
    return {
        "size": size,
        "tokens": int(tokens) if tokens else None,
        "probes": probes,
        "beam": beam,
        "stages": int(stages or USUAL["stages"]),
        "seed": int(seed or 0),
        "guard": guard,
        "perturb": perturb,
        "sources": sources,
    }


def _sources() -> tuple[str, ...]:
    picked = st.pills(
        "Choose among",
        list(SOURCES),
        default=list(USUAL["sources"]),
        selection_mode="multi",
        format_func=SOURCE_NAMES.__getitem__,
        key="optimize-sources",
    )
    # In the order of the defaults where these are picked, so that they count as unchanged.
    if set(picked) == set(USUAL["sources"]):
        return USUAL["sources"]
    return tuple(name for name in SOURCES if name in picked)


def _edits() -> str | None:
    """As a request writes them, each by its usual amount."""
    picked = st.multiselect(
        "Prefer what holds up under",
        list(EDITS),
        key="optimize-perturb",
        format_func=lambda name: EDITS[name].label,
        placeholder="noise on the weights",
        help=help.more(
            "Of the best sets, the one that gains most in spite of these is taken.", "glossary#robust-effect"
        ),
    )
    return "+".join(str(Edit(name, EDITS[name].amount)) for name in EDITS if name in picked) or None


def _whole(label: str, field: str, low: int, high: int, note: str = "") -> int:
    found = st.number_input(
        label,
        low,
        high,
        value=USUAL[field],
        key=f"optimize-{field}",
        help=help.more(note, "recommend#optimize"),
    )
    return int(found or USUAL[field])
