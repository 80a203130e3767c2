"""The parameters of each page's address, kept while a person visits other pages.

The navigation links to a page with them, so that its address is complete as soon as it opens. Writing them
after the page has opened would add a step to the browser's history, and the first click on Back would do
nothing.
"""

from collections.abc import Mapping

import streamlit as st

_KEY = "addresses"
_DIGITS = 12  # of a job, at most


def keep(page: str, params: Mapping[str, str]) -> None:
    """Remember the parameters of this page's address in this session."""
    st.session_state.setdefault(_KEY, {})[page] = dict(params)


def kept(page: str) -> dict[str, str]:
    """The parameters this page had last in this session; empty before."""
    return dict(st.session_state.get(_KEY, {}).get(page, {}))


def number(text: str) -> int | None:
    """The number of a job that an address names; None where it names none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None
