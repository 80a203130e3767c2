"""A table of which one row can be selected, remembered by what it is and not by where it stands."""

from collections.abc import Sequence
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from db.canonical import digest

K = TypeVar("K", int, str)


def picked(name: str, keys: Sequence[K], frame: pd.DataFrame, **how: Any) -> K | None:
    """Draw the table; the key of the selected row, None without one. `how`: as `st.dataframe` takes it.

    `keys`: what each row is. Rows come and go, also by other windows. The table is a new one then, in which
    the same row is selected or none: never its neighbour, with a Delete button below it.
    """
    chosen, defaults = f"{name}-chosen", f"{name}-defaults"
    key = f"{name}-{digest(list(keys))[:12]}"
    known = st.session_state.get(defaults)
    if known is None or known[0] != key:
        before = st.session_state.get(chosen)
        known = st.session_state[defaults] = (key, [keys.index(before)] if before in keys else [])
    event = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": known[1], "columns": [], "cells": []}},
        **how,
    )
    rows = event.selection.rows
    st.session_state[chosen] = keys[rows[0]] if rows and rows[0] < len(keys) else None
    return st.session_state[chosen]
