"""Parts of a page that are drawn again by themselves when what they show has changed in the store."""

from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
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


def returning() -> None:
    """Let the page be drawn anew when a connection that broke is there again.

    What was noted for this page is forgotten with its connection. Streamlit's browser side asks for a run
    then, but only on pages with a timer; this is one that draws nothing.
    """
    st.fragment(told()(_nothing), run_every=timedelta(days=1))()


def _nothing() -> None:
    pass


def again(fragment: str | None = None) -> None:
    """Draw the page again at once, or, from a part that is drawn by itself, the fragment of this key alone.

    Streamlit's `rerun` names fragments in callbacks only, so this asks as it does; a test holds it against
    the installed version.
    """
    context = get_script_run_ctx()
    if fragment is None or context is None or not context.fragment_ids_this_run:
        st.rerun()
    if context.script_requests is not None:
        asked = RerunData(
            query_string=context.query_string,
            page_script_hash=context.page_script_hash,
            fragment_id_queue=context.fragment_storage.resolve_target(fragment),
            is_fragment_scoped_rerun=True,
            cached_message_hashes=context.cached_message_hashes,
            context_info=context.context_info,
        )
        context.script_requests.request_rerun(asked)
        st.empty()  # here the run ends, and the one that was asked for begins
