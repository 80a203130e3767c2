"""A question that a page asks the engine once, however often it is drawn again."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.state import session, waiting
from dashboard.state.waiting import Answer, ask
from db import jobs


def once(place: str, kind: str, payload: Mapping[str, Any], wait_s: float) -> Answer:
    """The answer to a job of this kind and payload. `place`: where the session keeps which it was; the
    question that stood there before is let go."""
    known = st.session_state.get(place)
    if known is not None and known[0] == payload:
        answer = Answer(jobs.get(session.store(), known[1]))
        if not answer.job.dropped:
            return answer
    elif known is not None:
        waiting.let_go(session.store(), known[1])
    answer = ask(session.store(), kind, payload, wait_s)
    st.session_state[place] = (payload, answer.job.id)
    return answer
