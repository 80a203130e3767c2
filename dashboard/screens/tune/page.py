"""Tune: train a model on a data set, follow its learning curve, use it in Recommend."""

import streamlit as st

from dashboard.screens.tune import tuning_card, tuning_form
from dashboard.state import session
from dashboard.ui.notices import (
    LIBRARY,
    card,
    empty,
    heading,
    told,
)
from db import datasets, models


def page() -> None:
    """The form, the tuning that runs or was picked, and all of them."""
    known = datasets.listing(session.store())
    everything = tuning_card.SHELF.known()
    if not known and not everything:
        about = "Import one in the Library, or set up the simulated store on Recommend."
        empty("No data set yet", about, 200, LIBRARY)
        return
    current = tuning_card.SHELF.shown(everything)
    left, right = st.columns((1, 2.1), gap="small")
    with left, card("tune"):
        heading("New tuning", "Train a model on one of your data sets. The defaults are a good start.")
        if known:
            tuning_form.form(known, models.listing(session.store()), everything, tuning_card.SHELF.pick)
        else:
            st.caption("There is no data set to train on. Import one in the Library.")
    with right, card("tuning"):
        tuning_card.one(current)
    with card("tunings", stretch=False):
        heading("All tunings", "Newest first. Select a row to see its curve and recipe above.")
        tuning_card.listing(everything, current)
    tuning_card.SHELF.follow(current)


with told():
    page()
