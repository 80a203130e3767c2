"""Experiments: lay out a grid of settings, watch its leaderboard fill, read which row is better."""

import streamlit as st

from dashboard.screens.experiments import (
    across_card,
    experiment_card,
    frontier_card,
    grid_form,
    pair_card,
    selector_card,
)
from dashboard.screens.experiments.experiment_card import SHELF
from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.state import session
from dashboard.ui import help, rights
from dashboard.ui.notices import LIBRARY, card, empty, heading, told
from db import datasets, jobs, models
from db.datasets import DatasetInfo
from db.requests.experiment_file import read_file

EXAMPLE = help.FOLDER / "examples" / "simulated.yaml"
LOOKS = {
    "": ["neighbours' windows (4)", "random windows (4)", "no demonstrations", "popularity (baseline)"],
    "NDCG@10": ["0.61", "0.48", "0.43", "0.35"],
    "difference": [":blue[**+0.18**]", "+0.05", "reference", ":orange[**−0.08**]"],
    "p, Holm": ["**< 0.001**", "0.210", "–", "**0.004**"],
    "win / tie / loss": ["21 / 12 / 7", "14 / 15 / 11", "–", "9 / 10 / 21"],
}


def page() -> None:
    """The form, the experiment that runs or was picked, and all of them."""
    known, everything = datasets.listing(session.store()), SHELF.known()
    if not known and not everything:
        about = "Import one in the Library, or set up the simulated store on Recommend."
        empty("No data set yet", about, 200, LIBRARY)
        return
    current = SHELF.shown(everything)
    if rights.reads_only():
        right = st.container()
    else:
        left, right = st.columns((1, 2.3), gap="small")
        with left, card("experiment-form", stretch=False):
            _form(known)
    with right, card("experiment", stretch=False):
        if current is None:
            _nothing(known)
        else:
            experiment_card.one(current)
    if current is not None:
        _more(current)
    with card("experiments", stretch=False):
        heading("All experiments", "Newest first. Select a row to see it above.")
        experiment_card.listing(everything, current)
    SHELF.follow(current)


def _more(current: Experiment) -> None:
    """What a finished experiment says beyond its table."""
    if current.job.state != jobs.COMPLETED:
        return
    current = Experiment(jobs.get(session.store(), current.job.id))  # a list holds no results
    if len(current.labels) > 1 and current.found.get("settings"):
        with card("experiment-pair", stretch=False):
            pair_card.draw(current)
    frontiers, rule = frontier_card.known(current), all(selector_card.choices(current))
    if frontiers or rule:
        places = st.columns(2, gap="small") if frontiers and rule else [st.container()] * 2
        if frontiers:
            with places[0], card("experiment-frontier"):
                frontier_card.draw(current)
        if rule:
            with places[1], card("experiment-rule"):
                selector_card.draw(current)
    if current.found.get("across_users"):
        with card("experiment-across", stretch=False):
            across_card.draw(current)


def _form(known: list[DatasetInfo]) -> None:
    heading("New experiment", "Several values of a field are compared, in every combination.")
    if known and models.listing(session.store()):
        grid_form.form(known, SHELF.pick)
    else:
        missing = "model" if known else "data set"
        st.caption(f"An experiment needs a {missing}. Add one in the Library.")


def _nothing(known: list[DatasetInfo]) -> None:
    """What the page will look like, and a first experiment at one click."""
    heading("No experiment yet", "An example of what stands here: invented numbers of four rows.")
    st.table(LOOKS, border="horizontal", hide_index=True)
    if rights.reads_only() or not EXAMPLE.is_file():
        return
    simulated = any(info.name == "simulated" for info in known)
    rights.work_button(
        "Run the example",
        key="experiment-example",
        type="primary",
        on_click=_example,
        disabled=not simulated,
        help=None if simulated else "It needs the simulated store: set it up on Recommend.",
    )
    st.caption("Demonstrations against none for 40 users of the simulated store; ends within a few minutes.")


def _example() -> None:
    request = read_file(EXAMPLE)
    SHELF.pick(jobs.submit(session.store(), grid_form.KIND, request.to_json()).id)


with told():
    page()
