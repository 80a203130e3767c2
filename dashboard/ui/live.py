"""Parts of a page that are drawn again by themselves when what they show has changed in the store."""

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from dashboard.state import live, session
from dashboard.ui.notices import told


def part(
    draw: Callable[..., None],
    *args: Any,
    look: Callable[..., Hashable],
    of: tuple[Any, ...] = (),
    job: int | None = None,
) -> None:
    """Draw it now, and again whenever `look` of the store, with the arguments `of`, gives something else.

    `job`: an open job that it shows, which is looked at more often.
    """

    def drawn() -> None:
        here = live.here()
        name = ThreadState.get().fragment_id if here else None
        if here and name:
            live.watch(session.store()).show(here, name, look, of, job)
        draw(*args)

    drawn.__qualname__ = f"part.{draw.__module__}.{draw.__qualname__}"  # the name that tells parts apart
    st.fragment(told()(drawn))()
