"""Fields that the forms of long work share: data set, model, numbers; they keep what was chosen."""

from collections.abc import Sequence

import streamlit as st

from dashboard.state import session
from dashboard.text.literal import plain
from dashboard.ui import help
from db.datasets import DatasetInfo
from db.models import ModelInfo

USUAL = "embedded"


def data_set(key: str, known: Sequence[DatasetInfo]) -> DatasetInfo:
    """The data set: at first the one the person looks at; one that is gone falls back to it."""
    names = [each.name for each in known]
    if st.session_state.get(key) not in names:
        shown = session.view().dataset if "view" in st.session_state else None
        st.session_state[key] = shown if shown in names else names[0]
    name = st.selectbox("Data set", names, key=key, format_func=plain, persist_state="session")
    return next(each for each in known if each.name == name)


def model(label: str, key: str, known: Sequence[ModelInfo], note: str = "") -> str | None:
    """A registered model by its name, the embedded one first; None where there is none."""
    names = [each.name for each in known]
    if names and st.session_state.get(key) not in names:
        st.session_state[key] = USUAL if USUAL in names else names[0]
    return st.selectbox(
        label,
        names,
        key=key,
        format_func=plain,
        placeholder="register one in the Library",
        persist_state="session",
        help=help.more(note),
    )


def number(label: str, key: str, low: int, high: int, value: int, note: str = "") -> int:
    """A whole number; `value` where the field was emptied."""
    found = st.number_input(
        label, low, high, value=value, key=key, persist_state="session", help=help.more(note)
    )
    return value if found is None else int(found)


def minutes(label: str, key: str, high: float, value: float, step: float, note: str) -> float:
    """A time in minutes; `value` where the field was emptied."""
    found = st.number_input(
        label,
        0.5,
        high,
        value=value,
        step=step,
        format="%g",
        key=key,
        persist_state="session",
        help=help.more(note),
    )
    return float(found or value)


def seed(key: str, note: str) -> int:
    """The seed of everything drawn."""
    return number("Seed", key, 0, 2**31 - 1, 0, note)
