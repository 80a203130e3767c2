"""Plotly figures on a page, each with what it needs: its words for screen readers, and how to save it."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from html import unescape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.ui.saving import Rows, downloads

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def chart(
    figure: go.Figure, key: str, alt: str, name: str, rows: Rows | None = None, **selection: Any
) -> None:
    """A figure and under it how to save it. `alt`: what it shows, for screen readers; `name`: what it is, in
    a few words; `rows`: its numbers, those of its marks if nobody says otherwise."""
    st.plotly_chart(figure, key=key, theme=None, config=CONFIG, alt=alt, **selection)
    downloads(key, name, marks(figure) if rows is None else rows)


def data_of(rows: "Sequence[DataclassInstance]") -> Rows:
    """What a figure is drawn from, less how it is drawn."""
    looks = ("colour", "hover")
    return [{name: value for name, value in asdict(row).items() if name not in looks} for row in rows]


def marks(figure: go.Figure) -> Rows:
    """Place, value and words of every mark that says something to the pointer."""
    found: list[dict[str, Any]] = []
    traces: Any = figure.data  # every kind has other attributes
    for trace in traces:
        if trace.hoverinfo == "skip":
            continue
        if trace.type == "heatmap":
            words = trace.hovertext if trace.hovertext is not None else [[""] * len(row) for row in trace.z]
            found += [
                {"x": x, "y": y, "value": value, "about": _plain(said)}
                for y, row, line in zip(trace.y, trace.z, words, strict=True)
                for x, value, said in zip(trace.x, row, line, strict=True)
            ]
            continue
        words = trace.hovertext if trace.hovertext is not None else [""] * len(trace.x)
        words = [words] * len(trace.x) if isinstance(words, str) else words
        found += [
            {"x": x, "y": y, "value": None, "about": _plain(said)}
            for x, y, said in zip(trace.x, trace.y, words, strict=True)
        ]
    return found


def _plain(words: str | None) -> str:
    """Hover text without its tags, on one line."""
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<br\s*/?>", "; ", words or "")))
