"""Effects of a run that has none yet: the button that measures them, how far that is, why it failed."""

import streamlit as st

from dashboard.state import session
from dashboard.state.measuring import file_effects, newest, obstacle
from dashboard.state.outcome import DIRECT
from dashboard.state.waiting import Answer
from dashboard.text.literal import md
from dashboard.ui import progress, rights
from dashboard.ui.notices import problem
from db.endpoints import calls
from db.runs import Run


def draw(run: Run, label: str, mode: str = DIRECT, whose: str = "") -> None:
    """`label`: what the button says. `mode`: what leaving one out means. `whose`: before a reason why not."""
    if reason := obstacle(run):
        st.caption(md(f"{whose}{reason}"))
        return
    job = newest("effects", run, mode)
    answer = None if job is None else Answer(job)
    if answer is not None and answer.pending:
        progress.watch(answer.job, label.replace("Measure", "Measuring", 1))
        return
    if answer is not None and answer.error:
        problem(answer.error)
    if (endpoint := session.endpoint(run.request.model)) is not None:
        asked, shown = run.request, run.result
        sizes = len(shown["items"]), len(shown["demonstrations"])
        most = calls(endpoint, asked.scoring, *sizes, turns=asked.turns)
        st.caption(
            f"Up to {most:,} calls to its server, at most {endpoint.budget:,} tokens: each prompt is written "
            "without a demonstration and each answer asked for."
        )
    key = f"measure-effects-{mode}-{run.key[:12]}"
    rights.work_button(label, key=key, type="primary", on_click=file_effects, args=(run, mode))
