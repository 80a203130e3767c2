"""Library: data sets and how to import one, models, jobs, and the space they take."""

import streamlit as st

from dashboard.screens.library import data_shelf, imports, job_shelf, model_shelf, storage_shelf
from dashboard.ui.notices import card, heading, told


def page() -> None:
    """Draw the four shelves as tabs; the open one is part of the link."""
    storage_shelf.clear_old_uploads()
    data, models, work, space = st.tabs(
        ["Data sets", "Models", "Jobs", "Storage"], key="shelf", on_change="rerun", bind="query-params"
    )
    if data.open:
        with data:
            with card("data", stretch=False):
                about = "Who interacted with what, in which order. Simulated ones say so."
                heading("Data sets", about)
                data_shelf.data_sets()
            with card("import", stretch=False):
                about = "Preview the files, correct the mapping, then import. Nothing is stored before that."
                heading("Import", about)
                imports.importer()
    if models.open:
        with models, card("models", stretch=False):
            heading("Models", "Causal language models the engine can load, by name.")
            model_shelf.model_shelf()
    if work.open:
        with work, card("jobs", stretch=False):
            heading("Jobs", "What the engine does and did, newest first. Jobs survive closing the browser.")
            job_shelf.job_shelf()
    if space.open:
        with space:
            with card("storage", stretch=False):
                heading("Storage", "Everything stays on this machine.")
                storage_shelf.storage()
            with card("bin", stretch=False):
                storage_shelf.bin_shelf()


with told():
    page()
