"""The Library's models: what is registered, what each needs in memory, and a form for one more."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import psutil
import streamlit as st

from dashboard.screens.library import tables
from dashboard.screens.library.model_memory import Machine, machine, needs
from dashboard.screens.library.offers import model_offers
from dashboard.state import session
from dashboard.state.work import ENDED
from dashboard.text import values
from dashboard.text.formats import count, parameters, size
from dashboard.text.literal import md, plain
from dashboard.ui import opening, progress, rights
from dashboard.ui.notices import empty, problem
from db import contamination, datasets, jobs, models, workers
from db.choices import SCORINGS
from db.endpoints import (
    BUDGET,
    CONCURRENCY,
    SAID,
    Endpoint,
    checked_key_name,
    checked_url,
    is_address,
)
from db.models import ModelInfo


def model_shelf() -> None:
    """Registered models, and a form for one more."""
    known = models.listing(session.store())
    _undo()
    if known:
        host = machine(
            workers.alive(session.store()), session.store().settings, psutil.virtual_memory().available
        )
        name = tables.picked(
            "models",
            [model.name for model in known],
            models_table(known, host),
            height="content",
            alt="Registered models",
        )
        st.caption(md(host.about))
        for trouble in filter(None, (model.trouble for model in known)):
            st.caption(f":orange[Note:] {md(trouble)}")
        if name is not None:
            _details(next(model for model in known if model.name == name), host)
    else:
        empty("No model yet", "Register a folder on this machine or the name of a model on the hub.", 100)
    with st.form("register", border=False, clear_on_submit=False):
        cells = st.columns((1, 2, 0.5), vertical_alignment="bottom", gap="small")
        cells[0].text_input("Name", placeholder="qwen-0.5b", key="register-name")
        paths = rights.paths()
        cells[1].text_input(
            "Folder, GGUF file or hub id" if paths else "Hub id",
            key="register-source",
            placeholder="Qwen/Qwen2.5-0.5B or /models/qwen" if paths else "Qwen/Qwen2.5-0.5B",
        )
        cells[2].form_submit_button("Register", type="primary", width="stretch", on_click=_register_typed)
    st.caption(
        "The model is loaded once, in a process of its own, and registered if it works. Weights of a hub id "
        "are fetched first. Safetensors, quantized ones too, GGUF and LoRA adapters."
    )
    if rights.addresses():
        endpoint_form()
    model_offers(known, lambda source: _register(source, source))
    _follow_registration()


def endpoint_form() -> None:
    """A form for a model behind an OpenAI-compatible address."""
    with st.expander("Add a model behind an address", key="endpoint"), st.form("endpoint-form", border=False):
        st.caption(
            "An OpenAI-compatible server (vLLM, SGLang, llama.cpp, a hosted service). It is asked what it "
            "answers; its model can then rank. It is sent the titles of histories, demonstrations and "
            "candidates."
        )
        cells = st.columns((1, 2), gap="small")
        cells[0].text_input("Name", placeholder="llama-8b", key="endpoint-name")
        cells[1].text_input("Address", placeholder="http://localhost:8000/v1", key="endpoint-source")
        cells = st.columns(2, gap="small")
        cells[0].text_input("Model there", placeholder="if there are several", key="endpoint-served")
        cells[1].text_input(
            "Variable with the key",
            placeholder="OPENAI_API_KEY",
            key="endpoint-key_from",
            help="The environment variable, where the engine runs, that holds the key. The key itself is "
            "read at each use and never stored.",
        )
        cells = st.columns((1, 1, 0.7), vertical_alignment="bottom", gap="small")
        cells[0].number_input(
            "Token budget",
            min_value=100,
            value=BUDGET,
            key="endpoint-budget",
            help="Tokens, read and written, that one ranking or one measurement of effects may take.",
        )
        cells[1].number_input(
            "Calls at once", min_value=1, max_value=64, value=CONCURRENCY, key="endpoint-concurrency"
        )
        cells[2].form_submit_button("Ask and register", width="stretch", on_click=_register_endpoint)


def _register_endpoint() -> None:
    fields = ("name", "source", "served", "key_from", "budget", "concurrency")
    asked = {field: st.session_state[f"endpoint-{field}"] for field in fields}
    if asked["source"].strip():
        _file(asked)


def _register_typed() -> None:
    """File the registration before the page is drawn, which then shows it at once."""
    source = st.session_state["register-source"].strip()
    if source:
        _register(st.session_state["register-name"].strip() or source, source)


def _register(name: str, source: str) -> None:
    _file({"name": name, "source": source})


def _file(asked: Mapping[str, Any]) -> None:
    """File a registration. Raises BadInput for what may hold a secret, before it is stored with the job."""
    if is_address(asked["source"]):
        checked_url(asked["source"])
        checked_key_name(asked.get("key_from", "").strip())
    filed = jobs.submit(session.store(), "register_model", rights.within(asked))
    st.session_state.register_job = filed.id


def models_table(known: Sequence[ModelInfo], host: Machine) -> pd.DataFrame:
    """One row per model."""
    memory = [None if model.endpoint else needs(model, host) for model in known]
    return pd.DataFrame(
        {
            "name": [plain(model.name) for model in known],
            "architecture": [plain(model.architecture) for model in known],
            "parameters": ["–" if model.endpoint else parameters(model.parameters) for model in known],
            "memory": ["–" if need is None else size(need.weights) for need in memory],
            "fits": [
                "broken" if model.broken else "at its server" if need is None else need.verdict
                for model, need in zip(known, memory, strict=True)
            ],
            "context, tokens": [count(model.context_length) for model in known],
            "source": [plain(model.source) for model in known],
            "revision": [plain(model.revision, 14) for model in known],
        }
    )


def _details(model: ModelInfo, host: Machine) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{md(model.name)}** · {md(model.source)}", width="stretch")
        about = "Moves it to the bin (under Storage). Its files and its runs stay."
        rights.change_button("Remove", key="delete-model", on_click=_remove, args=(model.name,), help=about)
    if (endpoint := model.endpoint) is not None:
        st.caption(md(endpoint_words(endpoint)))
        for note in endpoint.notes:
            st.caption(f":orange[Note:] {md(note)}")
        return
    st.caption(md(needs(model, host).sentence))
    known = [
        f"{one.dataset}: {one.short} (study {one.study})"
        for one in contamination.measured(session.store(), model=model.name)
    ]
    told = "; ".join(known) or contamination.not_measured("DATA", model.name)
    st.caption(f"How far it knows catalogues: {md(told)}")
    if origin := model.details.get("origin"):
        st.caption(md(origin_words(origin)))


def endpoint_words(endpoint: Endpoint) -> str:
    """What a server answers and within which limits, in a few sentences."""
    works = [said for name, said in SAID.items() if getattr(endpoint.ways, name)]
    key = f" Its key comes from {endpoint.key_from}." if endpoint.key_from else ""
    return (
        f"It gives {', '.join(works)}: candidates are ranked by {values.label(SCORINGS, endpoint.best)}. At "
        f"most {endpoint.budget:,} tokens for one ranking or measurement, {endpoint.concurrency} calls at "
        f"once.{key}"
    )


def origin_words(origin: Mapping[str, Any]) -> str:
    """What a model was before it was written as plain weights, in one sentence."""
    if origin["form"] == "adapter":
        return f"A LoRA adapter ({origin['file']}), added to its base model {origin['base']}."
    if origin["form"] == "quantized":
        return (
            f"From the quantized folder {origin['file']}, whose weights ({origin['quantization']}) were "
            f"computed back to {origin['stored_as']}."
        )
    licence = f" Its licence, as the file says: {origin['licence']}." if origin.get("licence") else ""
    return (
        f"From the GGUF file {origin['file']}, whose weights of type {origin['quantization']} were computed "
        f"back to {origin['stored_as']}.{licence}"
    )


def _remove(name: str) -> None:
    st.session_state.removed_model = models.delete(session.store(), name)


def _undo() -> None:
    model: ModelInfo | None = st.session_state.get("removed_model")
    if model is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        text = f"Removed {md(model.name)}. Its files and its runs stay. It is in the bin, under Storage."
        st.markdown(text, width="content")
        st.button("Undo", key="undo-model", on_click=_restore, args=(model.name,))


def _restore(name: str) -> None:
    st.session_state.removed_model = None
    models.restore(session.store(), name)


def _follow_registration() -> None:
    if "register_job" not in st.session_state:
        return
    job = jobs.get(session.store(), st.session_state.register_job)
    if job.state not in ENDED:
        progress.watch(job, "Registering")
    elif job.result is None:
        problem(job.error or "The registration was stopped.")
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            name, encoder = job.result.get("model"), job.result.get("encoder")
            st.markdown(f":blue[Registered] {md(name or encoder)}.", width="content")
            for line in job.result.get("notes", ()):
                st.caption(f":orange[Note:] {md(line)}")
            known = datasets.listing(session.store())
            if name and known and st.button("Open in Recommend", key="register-open", type="primary"):
                opening.in_recommend(session.view_of(session.view().dataset or known[0].name, name))
