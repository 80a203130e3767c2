"""Studies: evaluate one setup over many users, watch the table fill, read what it says."""

import streamlit as st

from dashboard.screens.studies import study_card, study_form
from dashboard.state import session
from dashboard.ui import rights
from dashboard.ui.notices import (
    LIBRARY,
    card,
    empty,
    heading,
    told,
)
from db import datasets, models
from db.datasets import DatasetInfo
from db.models import ModelInfo


def page() -> None:
    """The form, the study that runs or was picked, and all of them."""
    known, known_models = datasets.listing(session.store()), models.listing(session.store())
    everything = study_card.SHELF.known()
    if not known and not everything:
        about = "Import one in the Library, or set up the simulated store on Recommend."
        empty("No data set yet", about, 200, LIBRARY)
        return
    current = study_card.SHELF.shown(everything)
    if rights.reads_only():
        right = st.container()
    else:
        left, right = st.columns((1, 2.1), gap="small")
        with left, card("study-form"):
            _form(known, known_models)
    with right, card("study"):
        study_card.one(current)
    with card("studies", stretch=False):
        heading("All studies", "Newest first. Select a row to see it above.")
        study_card.listing(everything, current)
    study_card.SHELF.follow(current)


def _form(known: list[DatasetInfo], known_models: list[ModelInfo]) -> None:
    heading("New study", "Evaluate one setup over many users, with intervals and paired tests.")
    if known and known_models:
        study_form.form(known, known_models, study_card.SHELF.pick)
    else:
        missing = "model" if known else "data set"
        st.caption(f"A study needs a {missing}. Add one in the Library.")


with told():
    page()
