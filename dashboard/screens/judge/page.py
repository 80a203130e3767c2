"""Judge: blind comparisons of stored lists.

The address says what is shown: `judge` (with `as`, a name) is the judges' link, `comparison` its results,
`runs` the runs that a new one is made of; without any, all comparisons.
"""

import streamlit as st

from dashboard.screens.judge import blind, making, results
from dashboard.state import links
from dashboard.ui.notices import told

PAGE = "judge"


def page() -> None:
    """Draw what the address asks for."""
    params = st.query_params.to_dict()
    if token := params.get("judge"):
        blind.draw(token)
        return
    number = links.number(params.get("comparison", ""))
    links.keep(PAGE, {} if number is None else {"comparison": str(number)})
    if number is None:
        making.draw([key for key in params.get("runs", "").split(",") if key])
    else:
        results.draw(number)


with told():
    page()
