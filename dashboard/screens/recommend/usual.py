"""A quiet line under the desk: how often demonstrations helped, hurt and did nothing, over many users.

One user, however nice, is not the rule. The line is there where a study measured it, and else is not.
"""

import streamlit as st

from dashboard.state import session
from dashboard.state.view import View
from dashboard.text import values
from dashboard.text.formats import plural
from dashboard.text.literal import md, plain
from db import datasets, models, outcomes
from db.datasets import DatasetInfo
from db.errors import NotFound
from db.models import ModelInfo
from db.outcomes import Outcomes


def draw(view: View) -> None:
    """The line for the model and data set of the view, with the way to the study."""
    found = _found(view)
    if found is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="usual"):
        st.caption(md(sentence(found, view.dataset or "", view.model or "")), width="stretch")
        st.page_link(
            "screens/studies/page.py",
            label=f"Study {found.studies[0]}",
            query_params={"study": str(found.studies[0])},
            width="content",
        )


def _found(view: View) -> Outcomes | None:
    store = session.store()
    try:
        info, model = datasets.get(store, view.dataset or ""), models.get(store, view.model or "")
    except NotFound:
        return None
    # Read anew when another study has ended, or the data set or the model was replaced.
    about = store.settings.database_url, outcomes.newest(store), info.id, model.name, model.revision
    return _measured(about, view.options.demos.partition(":")[0], info, model)


@st.cache_data(show_spinner=False, max_entries=64)
def _measured(
    about: tuple[object, ...],  # noqa: ARG001 - decides, with the strategy, what is kept
    strategy: str,
    _info: DatasetInfo,
    _model: ModelInfo,
) -> Outcomes | None:
    return outcomes.measured(session.store(), _info, _model, strategy)


def sentence(found: Outcomes, dataset: str, model: str) -> str:
    """Of how many users demonstrations helped, hurt and did nothing. Plain text."""
    counts = [
        f"{what} {count} ({count / found.users:.0%})"
        for what, count in (
            ("helped", found.helped),
            ("hurt", found.hurt),
            ("did nothing for", found.same),
        )
    ]
    which = values.strategy(found.strategy)
    where = f"{plain(model, 40)} on {plain(dataset, 40)}"
    return (
        f"Over the last {plural(found.users, 'user')} measured with {where}, demonstrations "
        f"by {which} {counts[0]}, {counts[1]} and {counts[2]}."
    )
