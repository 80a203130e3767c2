"""Library: data sets and how to import one, models, jobs, and the space they take."""

import streamlit as st

from dashboard.screens.library import imports, shelves
from dashboard.ui.notices import (
    card,
    heading,
    told,
)


def page() -> None:
    """Draw the four shelves as tabs; the open one is part of the link."""
    data, models, work, space = st.tabs(
        ["Data sets", "Models", "Jobs", "Storage"], key="shelf", on_change="rerun", bind="query-params"
    )
    if data.open:
        with data:
            with card("data", stretch=False):
                heading(
                    "Data sets", "Who bought what, in which order. Simulated ones are made up and say so."
                )
                shelves.data_sets()
            with card("import", stretch=False):
                heading(
                    "Import", "Look first, correct the mapping, then import. Nothing is stored before that."
                )
                imports.importer()
    if models.open:
        with models, card("models", stretch=False):
            heading("Models", "Causal language models the engine can load, by name.")
            shelves.model_shelf()
    if work.open:
        with work, card("jobs", stretch=False):
            heading("Jobs", "What the engine does and did, newest first. A job survives closing the browser.")
            shelves.job_shelf()
    if space.open:
        with space, card("storage", stretch=False):
            heading("Storage", "Everything stays on this machine.")
            shelves.storage()


with told():
    page()
