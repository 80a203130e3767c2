"""What one browser session remembers, and the store it talks to.

Boundary: the only module that touches `st.session_state` for the view. The `View` is the truth; widgets are
set from it before they are drawn and write back to it in their callbacks; the address bar follows it.
"""

import os
from dataclasses import replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.state import links, undo
from dashboard.state.view import (
    View,
    from_params,
    from_request,
    to_params,
)
from db import datasets, models, runs
from db.endpoints import Endpoint
from db.errors import NotFound
from db.models import ModelInfo
from db.patience import Patience
from db.settings import Settings
from db.store import Store

WAIT_S = 3.0  # a page waits so long for a store that is away; then it says so, and tries again by itself
DECIDE = ("DUALENS_HOME", "DUALENS_DATABASE_URL", "DUALENS_READ_ONLY")  # which store, and how it is opened
TRAIL = 12  # runs of this session that "compare with the previous run" can reach


@st.cache_resource(show_spinner=False)
def _open(home: str | None, database_url: str | None, read_only: str | None) -> Store:
    given = {"home": home, "database_url": database_url, "read_only": read_only}
    settings = Settings(**{name: value for name, value in given.items() if value})
    return Store.open(settings, Patience(WAIT_S))


def store() -> Store:
    """The store of this process's settings, opened once and shared by all sessions."""
    # By the variables that decide, not by the settings that they make: a page asks for its store many times.
    return _open(*(os.environ.get(name) for name in DECIDE))


def endpoint(model: str | None) -> Endpoint | None:
    """How a model's server is asked; None for one whose weights are here, or that is not there."""
    try:
        return models.get(store(), model).endpoint if model else None
    except NotFound:
        return None


def local_models() -> list[ModelInfo]:
    """The models whose weights are here: those behind endpoints only rank."""
    return [model for model in models.listing(store()) if model.endpoint is None]


def view() -> View:
    """The current view; on a session's first page, the one of its link."""
    if "view" not in st.session_state:
        loaded, notes = from_params(st.query_params.to_dict())
        st.session_state.view = loaded
        st.session_state.link_notes = notes
        st.session_state.follow = False
    return st.session_state.view


def show(new: View) -> None:
    """Make `new` the view, because a person asked for it: it is computed at once, and can be undone where it
    changed the desk."""
    undo.note(view(), new)
    st.session_state.view = new
    st.session_state.follow = True


def correct(new: View) -> None:
    """Make `new` the view without anybody having asked: a default, or what is left of a link."""
    st.session_state.view = new


def view_of(dataset: str, model: str | None = None) -> View:
    """The current view with this data set (and model), and with a user of it."""
    current = view()
    if current.dataset != dataset or current.user is None:
        current = current.of_user(dataset, first_user(dataset))
    return replace(current, model=model or current.model)


def first_user(dataset: str) -> str | None:
    """A user to begin with, always the same one; None where the data set has none."""
    try:
        info = datasets.get(store(), dataset)
        return datasets.random_user(store(), info.id, seed=0, min_length=5).user_id
    except NotFound:
        return None


def went_back() -> bool:
    """Take the view of the address where the browser's Back or Forward led to it; whether it did.

    Only then: an address that differs for another reason is one that the browser has not caught up with.
    """
    context = get_script_run_ctx()
    params = st.query_params.to_dict()
    if context is None or not context.is_history_navigation or not params:
        return False
    new, st.session_state.link_notes = from_params(params)
    undo.note(view(), new)
    st.session_state.view = new
    return True


def step(*, forward: bool) -> None:
    """Undo the last change of the desk, or (`forward`) redo the one that was undone last."""
    new = undo.step(view(), forward=forward)
    if new is not None:
        st.session_state.view = new
        st.session_state.follow = True


def following() -> bool:
    """Whether the view is computed at once: once a person has acted. A link that is only opened is not."""
    return bool(st.session_state.get("follow"))


def link_notes() -> list[str]:
    """What of the link could not be used, one sentence each."""
    return st.session_state.setdefault("link_notes", [])


def sync_address(current: View) -> None:
    """Write the view into the address bar, if it is not there yet."""
    params = to_params(current)
    links.keep("recommend", params)
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def opening_view() -> View:
    """What to show when nothing was asked for: the newest run, else the first data set and a user of it."""
    for summary in runs.listing(store(), limit=1):
        run = runs.by_key(store(), summary.key)
        if run is not None:
            return from_request(run.request)
    known = datasets.listing(store())
    if not known:
        return View()
    names = [model.name for model in models.listing(store())]
    return View(known[0].name, first_user(known[0].name), names[0] if names else None)


def remember(key: str) -> str | None:
    """Note a run as shown; returns the one shown before it, for the comparison link."""
    trail: list[str] = st.session_state.setdefault("trail", [])
    if not trail or trail[-1] != key:
        trail.append(key)
        del trail[:-TRAIL]
    return trail[-2] if len(trail) > 1 else None
