"""Which dialog of the Recommend page is open: it stays open while the page behind it is drawn again.

A dialog that is only drawn in the run in which its button was pressed closes under a person's hands when a
job that the page watches comes to its end.
"""

from typing import Any

import streamlit as st

KEY = "dialog"


def show(name: str, *about: Any) -> None:
    """Open this dialog from now on; a button's callback."""
    st.session_state[KEY] = (name, about)


def close() -> None:
    """No dialog from now on; what every dialog does when it is dismissed."""
    st.session_state[KEY] = None


def any_open() -> bool:
    """Whether a person is in a dialog: drawing the whole page again would empty fields not yet left."""
    return st.session_state.get(KEY) is not None


def about(name: str) -> tuple[Any, ...] | None:
    """What the open dialog of this name is about; None while it is not open."""
    shown = st.session_state.get(KEY)
    return shown[1] if shown is not None and shown[0] == name else None
