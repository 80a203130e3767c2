"""The engine's state at the foot of the navigation: ready, busy with what, or gone and what to do then."""

from collections.abc import Sequence

import streamlit as st

from dashboard import session
from dashboard.formats import count
from dashboard.literal import md
from db import datasets, workers
from db.errors import DualensError
from db.workers import Worker

LOOK_S = 2.0


@st.fragment(run_every=LOOK_S)
def foot() -> None:
    """Two or three quiet lines, looked up again every few seconds; a switched theme redraws the charts."""
    theme = st.context.theme.type
    if st.session_state.setdefault("theme", theme) != theme:
        st.session_state.theme = theme
        st.rerun()
    with st.container(key="engine-foot", gap="xxsmall"):
        try:
            for line in [*state(workers.alive(session.store())), loaded_data()]:
                if line:
                    st.caption(line, wrap=False)
        except DualensError as error:
            st.caption(md(str(error)))


def state(alive: Sequence[Worker]) -> list[str]:
    """Markdown lines for the engines that are alive."""
    if not alive:
        return [
            ":orange[○] **no engine**",
            "start it: `python -m dashboard`",
        ]
    lines = []
    for worker in alive:
        if worker.state == "busy":
            lines.append(f":blue[●] **engine busy** with {md(worker.message or 'a job', 60)}")
        else:
            lines.append(":green[●] **engine ready**")
        models = ", ".join(md(name, 24) for name in worker.models) or "no model loaded yet"
        lines.append(f"{models} · {md(worker.device)} {md(worker.dtype)}")
    return lines


def loaded_data() -> str | None:
    """The data set of the view and its size."""
    name = session.view().dataset if "view" in st.session_state else None
    info = next((known for known in datasets.listing(session.store()) if known.name == name), None)
    return f"{md(info.name, 28)} · {count(info.users)} users" if info else None
