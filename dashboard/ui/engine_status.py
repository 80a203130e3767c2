"""The engine's state at the foot of the navigation: ready, busy with what, restarting, or what starts it."""

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import streamlit as st

from dashboard.state import live as looking
from dashboard.state import session
from dashboard.state.live import Look
from dashboard.text.domain import busy_with
from dashboard.text.formats import count, parameters
from dashboard.text.literal import md
from dashboard.ui import live, rights, theme_switch
from db import datasets, workers
from db.errors import DualensError
from db.workers import Worker

MESSAGE_S = 3  # what the engine does changes many times a second; it is drawn again this often


def foot() -> None:
    """Two or three quiet lines, drawn again when they change; a switched theme redraws the charts."""
    theme_switch.watch()
    live.part(_foot, look=_look)


def _look(look: Look) -> Hashable:
    """What the lines say, without what changes all the time."""
    known = [replace(worker, beat_at=0.0, message="") for worker in look.workers]
    busy = any(worker.state == "busy" for worker in known)
    return str(known), looking.of_engine(look), look.second // MESSAGE_S if busy else None


def _foot() -> None:
    with st.container(key="engine-foot", gap="xxsmall"):
        if rights.reads_only():
            for line in READ_ONLY:
                st.caption(line)
            return
        try:
            look = looking.now(session.store())
            lines = state(look.workers, model_sizes(), time.time(), looking.of_engine(look))
            for line in [*lines, loaded_data()]:
                if line:
                    st.caption(line, wrap=False)
        except DualensError as error:
            st.caption(md(str(error)))


READ_ONLY = ("○ **read only**", "Shows what is stored. Nothing is computed, nothing changes.")
GONE = {  # by how the engine stands
    workers.SILENT: [":orange[○] **engine gives no sign**", "Its process is there."],
    workers.LOCKED: [":orange[○] **store busy**", "Another program holds it. Work resumes by itself."],
    workers.RESTARTS: [":orange[○] **engine restarting**", "It stopped unexpectedly. Open work resumes."],
    workers.NONE: [":orange[○] **no engine**", "Start it: `dualens`"],
}


def state(
    known: Sequence[Worker], sizes: Mapping[str, str], now: float, engine: str | None = None
) -> list[str]:
    """Markdown lines for the engines that run; `sizes`: what to say after a model's name."""
    engine = engine or workers.engine(known, now)
    if engine in GONE:
        return GONE[engine]
    lines = []
    for worker in known:
        if not worker.runs(now):
            continue
        if worker.state == "busy":
            lines.append(f":blue[●] **engine busy** with {md(busy_with(worker.message) or 'a job', 60)}")
        else:
            lines.append(":green[●] **engine ready**")
        names = [f"{md(name, 24)}{sizes.get(name, '')}" for name in worker.models]
        loaded = names[0] if len(names) == 1 else f"{len(names)} models loaded" if names else None
        lines.append(f"{loaded or 'no model loaded yet'} · {md(worker.device)} {md(worker.dtype)}")
    return lines


def model_sizes() -> dict[str, str]:
    """The size of every registered model, to be put after its name."""
    return {model.name: f" · {parameters(model.parameters)}" for model in session.local_models()}


def loaded_data() -> str | None:
    """The data set of the view and its size."""
    name = session.view().dataset if "view" in st.session_state else None
    info = next((known for known in datasets.listing(session.store()) if known.name == name), None)
    return f"{md(info.name, 28)} · {count(info.users)} users" if info else None
