"""Tokens and heads: the prompt shaded by what each token contributes, beside a map of layers and heads."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.explain import looking
from dashboard.screens.explain.explain_text import LABEL_LETTERS
from dashboard.screens.explain.heads_chart import describe, heads, told
from dashboard.screens.explain.token_shades import shaded
from dashboard.state import session, widgets
from dashboard.text.formats import signed
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import card, colours, heading
from dashboard.ui.remembered import remembered
from db import explanations, texts
from db.runs import Run

READINGS = {"effect": "Contribution", "attention": "Attention"}
ABOUT = {
    "effect": "Divides what the demonstrations do among layers, heads and tokens (Aumann-Shapley): the parts "
    "add up to the whole. A division, not what a token would do alone.",
    "attention": "Where the answer's tokens look while the target is scored. Measured; it says nothing of "
    "whether that helps.",
}
ALL = "all"
Result = Mapping[str, Any]


def draw(run: Run, effects: Result | None) -> None:
    """Both cards; `effects`: by turning down, to set the sums beside them."""
    looking.draw(
        "tokens",
        run,
        ("Measure tokens", "Measuring tokens"),
        "The prompt with every token shaded by its contribution, and a map of layers and heads. It takes "
        "about a dozen passes forward and back.",
        lambda result: _shown(result, run, effects),
        height=420,
    )


def _shown(result: Result, run: Run, effects: Result | None) -> None:
    reading = remembered(
        st.segmented_control,
        "Shade by",
        "explain-reading",
        "effect",
        options=list(READINGS),
        required=True,
        format_func=READINGS.get,
        label_visibility="collapsed",
    )
    chosen = _place(widgets.kept("explain-head", ALL), result)
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("tokens"):
        heading("Tokens", ABOUT[reading])
        st.html(shaded(result["segments"], _numbers(result, reading, chosen), reading))
    with right, card("heads"):
        heading("Layers and heads", "Click a square to shade the tokens by this head alone.")
        _map(result, run, reading, chosen)
        st.markdown(md(result["said"] if chosen is None else of_head(result, reading, chosen)))
        st.table(_sums(result, run, effects), border="horizontal", hide_index=True)
        st.caption(
            f"The contributions miss the change they divide by {result['error']:.3f}, the error of their "
            "integral. Effect: the Shapley value, as on Effects; the two divide the same change in two ways."
        )


def _map(result: Result, run: Run, reading: str, chosen: tuple[int, int] | None) -> None:
    values = result["heads"][reading]
    key = f"heads-{run.key[:12]}-{reading}"
    chart(
        heads(values, reading, colours(), chosen),
        key=key,
        on_select=lambda: _clicked(key, chosen),
        selection_mode="points",
        alt=describe(values, reading),
        name="layers and heads",
    )
    ordered = sorted(
        ((layer, head) for layer, row in enumerate(values) for head in range(len(row))),
        key=lambda place: -abs(values[place[0]][place[1]]),
    )
    _picker(ordered, values, reading)


def _picker(ordered: list[tuple[int, int]], values: Any, reading: str) -> None:
    """The same choice for the keyboard, the strongest head first."""
    options = [ALL, *map(_name, ordered)]
    answer = widgets.kept("explain-head", ALL)
    answer = answer if answer in options else ALL
    key = widgets.showing("explain-head", answer)
    st.selectbox(
        "Shade by",
        options,
        index=options.index(answer),
        key=key,
        format_func=lambda name: _option(name, values, reading),
        on_change=lambda: widgets.keep("explain-head", st.session_state[key]),
        label_visibility="collapsed",
    )


def _option(name: str, values: Any, reading: str) -> str:
    if name == ALL:
        return "All layers and heads"
    layer, head = map(int, name.split("-"))
    return f"Layer {layer + 1}, head {head + 1}: {told(values[layer][head], reading)}"


def _clicked(key: str, chosen: tuple[int, int] | None) -> None:
    """Keep the head that was clicked; a second click on it takes it back."""
    points = st.session_state[key]["selection"]["points"]
    place = (int(points[0]["y"]) - 1, int(points[0]["x"]) - 1) if points else None
    widgets.keep("explain-head", ALL if place in (None, chosen) else _name(place))


def _name(place: tuple[int, int] | None) -> str:
    return ALL if place is None else f"{place[0]}-{place[1]}"


def _place(name: str, result: Result) -> tuple[int, int] | None:
    """The head of this name, if this model has it."""
    if name == ALL:
        return None
    layer, head = map(int, name.split("-"))
    values = result["heads"]["effect"]
    return (layer, head) if layer < len(values) and head < len(values[0]) else None


def _numbers(result: Result, reading: str, chosen: tuple[int, int] | None) -> list[float]:
    """One per token of the demonstrations, of all heads or of one."""
    if chosen is None:
        return [value for part in result["segments"] if part["kind"] == "demo" for value in part[reading]]
    single = explanations.read(texts.get(session.store(), result["detail"]))
    return [float(value) for value in getattr(single, reading)[chosen]]


def of_head(result: Result, reading: str, chosen: tuple[int, int]) -> str:
    """What one head does, of what all do. Plain text."""
    layer, head = chosen
    value = result["heads"][reading][layer][head]
    name = f"Layer {layer + 1}, head {head + 1}"
    if reading == "attention":
        return f"{name} gives the demonstrations {100 * value:.1f} % of its attention."
    whole = sum(part["effect"] for part in result["parts"])
    there = f"{name[0].lower()}{name[1:]}"
    return f"In {there} the tokens add up to {signed(value, 3)}, of {signed(whole, 3)} in all."


def _sums(result: Result, run: Run, effects: Result | None) -> pd.DataFrame:
    measured = {row["id"]: row["effect"] for row in (effects or {}).get("demonstrations", [])}
    titles = {demo["id"]: demo["answer"]["title"] for demo in run.result["demonstrations"]}
    rows = result["parts"]
    return pd.DataFrame(
        {
            "": [str(at) for at in range(1, len(rows) + 1)],
            "demonstration": [md(titles.get(row["id"]), LABEL_LETTERS) for row in rows],
            "its tokens": [f"**{signed(row['effect'])}**" for row in rows],
            "effect": [signed(measured.get(row["id"])) for row in rows],
            "attention": [f"{100 * row['attention']:.1f} %" for row in rows],
        }
    )
