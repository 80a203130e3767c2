"""Widgets that show a value kept elsewhere: in the view, in the address bar, among a form's answers.

A widget must show that value whenever it reaches the browser, and must never report a value that nobody gave
it. Writing to `st.session_state` before drawing does not ensure that: Streamlit sends the written value once,
with the draw in which it was written. If the next draw overtakes that one, the browser makes the widget from
its default, such as a slider's minimum, and reports the default as if a person had set it; a widget that is
there already reports what it showed before. So every such widget

- carries the value as its default, in every draw, and
- gets a new key, hence a new widget in the browser, whenever the program changes the value.
"""

from typing import Any

import streamlit as st

_DRAWN = "widgets-drawn"  # name of a widget -> how often the program changed it, the value it was drawn with
_ANSWERS = "form-answers"


def showing(name: str, value: Any) -> str:
    """The key for a widget that shows `value` and hands every change to a callback, which keeps it.

    A person's change and the value kept after it are equal: the widget stays. Otherwise the program changed
    the value (or refused the person's), and a new widget takes its place. Pass `value` as the default, too.
    """
    changes, before = _drawn().get(name, (0, value))
    shown = st.session_state.get(_key(name, changes), before)
    return _draw(name, changes + (shown != value), value)


def drafting(name: str, source: Any) -> str:
    """The key for a widget that starts at `source` and keeps a person's draft until `source` changes."""
    changes, before = _drawn().get(name, (0, source))
    return _draw(name, changes + (before != source), source)


def current(name: str) -> Any:
    """What the widget of this name holds now; None where it is not drawn."""
    return st.session_state.get(_key(name, _drawn().get(name, (0, None))[0]))


def kept(name: str, start: Any) -> Any:
    """The answer that a form keeps under this name for the session, at first `start`."""
    return st.session_state.setdefault(_ANSWERS, {}).get(name, start)


def keep(name: str, answer: Any) -> None:
    """Keep an answer of a form for the session, also while its page is not shown."""
    st.session_state.setdefault(_ANSWERS, {})[name] = answer


def forget(*names: str) -> None:
    """Drop the answers kept under these names: their widgets start anew."""
    for name in names:
        st.session_state.setdefault(_ANSWERS, {}).pop(name, None)


def _drawn() -> dict[str, tuple[int, Any]]:
    return st.session_state.setdefault(_DRAWN, {})


def _draw(name: str, changes: int, value: Any) -> str:
    _drawn()[name] = (changes, value)
    return _key(name, changes)


def _key(name: str, changes: int) -> str:
    return f"{name}~{changes}" if changes else name
