"""Plotly figures on a page, each with what it needs: its words for screen readers, and how to save it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.ui.saving import Rows, downloads

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def chart(figure: go.Figure, key: str, alt: str, name: str, rows: Rows, **selection: Any) -> None:
    """A figure and under it how to save it. `alt`: what it shows, for screen readers; `name`: what it is, in
    a few words; `rows`: its numbers."""
    st.plotly_chart(figure, key=key, theme=None, config=CONFIG, alt=alt, **selection)
    downloads(key, name, rows)


def data_of(rows: "Sequence[DataclassInstance]") -> Rows:
    """What a figure is drawn from, less how it is drawn."""
    looks = ("colour", "hover")
    return [{name: value for name, value in asdict(row).items() if name not in looks} for row in rows]
