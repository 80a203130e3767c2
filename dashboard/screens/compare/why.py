"""Which of the inputs that two runs differ in did it: a job that makes the runs between the two."""

import streamlit as st

from dashboard.screens.compare import attribution_text
from dashboard.state import session
from dashboard.state.waiting import Answer
from dashboard.state.work import ENDED
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import progress, rights
from dashboard.ui.notices import heading, problem
from db import jobs
from db.comparable import lists_obstacle
from db.jobs import Job
from db.requests.swapping import MOST, differing
from db.runs import Run

KIND = "attribution"
START = "Find out which difference did it"


def draw(a: Run, other: Run, name: str) -> None:
    """What the last job about the two found, how far it is, or a button that starts one."""
    heading(
        "Which difference did it?",
        f"The inputs in which A and {name} differ are swapped; each is answerable for what that changes.",
    )
    obstacle = lists_obstacle(a, other)
    inputs = differing(a.request, other.request)
    if obstacle is not None:
        st.caption(md(f"{obstacle} Users, targets and candidate lists cannot be swapped."))
        return
    if not inputs:
        st.caption("Nothing to divide: both requests have the same inputs.")
        return
    if len(inputs) == 1:
        st.caption(f"They differ in {md(inputs[0].label)} alone: it is answerable for the whole change.")
        return
    job = _newest(a, other)
    if job is not None and job.state not in ENDED:
        progress.watch(job, "Swapping inputs")
    elif job is not None and job.result is not None:
        _found(job.result, name)
    else:
        if job is not None and (error := Answer(job).error) is not None:
            problem(error)
        count = len(inputs)
        many = 2**count - 2 if count <= MOST else 2 * count
        st.caption(
            f"They differ in {', '.join(md(each.label) for each in inputs)}: {plural(many, 'run')} at most, "
            "which are stored like any other."
        )
        key = f"why-{a.key[:12]}-{other.key[:12]}"
        rights.work_button(START, key=key, on_click=_start, args=(a.key, other.key))


def _found(result: dict, name: str) -> None:
    st.table(attribution_text.table(result, name), border="horizontal")
    for note in result["notes"]:
        st.caption(f":orange[Note:] {md(note)}")
    st.markdown(md(attribution_text.sentence(result)))


def _newest(a: Run, other: Run) -> Job | None:
    found = jobs.about(session.store(), KIND, {"a": a.key, "b": other.key}, limit=1)
    return found[0] if found else None


def _start(a: str, b: str) -> None:
    jobs.submit(session.store(), KIND, {"a": a, "b": b})
