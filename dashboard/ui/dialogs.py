"""Which dialog of the Recommend page is open: it stays open while the page behind it is drawn again.

A dialog that is only drawn in the run in which its button was pressed closes under a person's hands when a
job that the page watches comes to its end.
"""

from typing import Any

import streamlit as st

KEY = "dialog"
OPENED = "dialogs-opened"  # how often one was


def show(name: str, *about: Any) -> None:
    """Open this dialog from now on; a button's callback."""
    st.session_state[KEY] = (name, about)
    st.session_state[OPENED] = st.session_state.get(OPENED, 0) + 1


def key(name: str) -> str:
    """The key of tabs in a dialog: new ones each time it is opened, so that it begins with the first tab.

    Streamlit forgets what a dialog held only once the whole page was drawn without it. Who dismisses one and
    presses a button of a fragment finds it as it was, or not, as the draws happen to overtake each other.
    """
    return f"{name}-{st.session_state.get(OPENED, 0)}"


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
