"""Which prompt template a run is written with, and how demonstrations stand in it: two fields of Options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.screens.recommend import template_editor
from dashboard.state import session, widgets
from dashboard.state.view import View
from dashboard.text import values
from dashboard.text.formats import ago
from dashboard.text.literal import md, plain
from dashboard.ui import forms, help
from db import templates
from db.choices import SCORINGS, TEMPLATES, TURNS
from db.errors import NotFound
from db.models import ModelInfo
from db.requests import RunOptions
from db.requests.fields import field_of
from db.requests.settled import automatic
from db.store import Store
from db.templates import StoredTemplate

ABOUT = (
    "How the prompt is written: what stands before it, how an item, a demonstration and the question look."
)
NO_CHAT = "the model has no chat template here, so its prompts have one turn. Choose one turn."
NO_CHAT_THERE = "its server answers this scoring from plain text, which has no turns. Choose one turn{}."
CHAT_UNKNOWN = "Not every model has a chat template. Where this one has none, the run says so."


@dataclass(frozen=True)
class Offered:
    """A template to choose. `reference`: what a request calls it; `own`: a person's own; `scorings`: None
    where nobody knows the template any more. `label`: plain text, no other has the same."""

    reference: str
    label: str
    about: str
    scorings: Sequence[str] | None
    own: StoredTemplate | None = None


def offered(store: Store, chosen: str, now: float) -> list[Offered]:
    """The program's templates, people's own by their newest text, and `chosen` where it is none of these."""
    ours = [
        Offered(
            row.name, row.label, f"{row.about}.{f' After {row.paper}.' if row.paper else ''}", row.scorings
        )
        for row in TEMPLATES.values()
    ]
    own = [_own(each, f"{each.name} · own", now) for each in templates.listing(store)]
    known = [*ours, *own]
    if all(each.reference != chosen for each in known):
        try:
            kept = templates.get(store, chosen)
            known.append(_own(kept, f"{kept.reference} · not the newest text", now))
        except NotFound:
            known.append(Offered(chosen, f"{plain(chosen, 40)} · not there", "", None))
    return known


def _own(kept: StoredTemplate, label: str, now: float) -> Offered:
    return Offered(kept.reference, label, f"Saved {ago(kept.created_at, now)}.", kept.scorings, kept)


def exact(view: View, store: Store) -> View:
    """The view with its template named by the reference that always means the same text, if it is there."""
    if view.options.template in TEMPLATES:
        return view
    try:
        return view.asking(template=templates.get(store, view.options.template).reference)
    except NotFound:
        return view  # the run says so


def picker(view: View, model: ModelInfo | None, now: float) -> None:
    """The template with what it is, what it cannot do with the chosen scoring, and the way to its text."""
    known = offered(session.store(), view.options.template, now)
    labels = {each.reference: each.label for each in known}
    chosen = next(each for each in known if each.reference == view.options.template)
    names: list[str] = list(labels)
    key = widgets.showing("pick-template", chosen.reference)
    st.selectbox(
        values.title(field_of(RunOptions, "template")),
        names,
        index=names.index(chosen.reference),
        key=key,
        format_func=lambda name: labels.get(name, plain(name)),
        on_change=_picked,
        args=(key,),
        help=help.more(ABOUT, "templates"),
    )
    if chosen.scorings is None:
        st.caption(":orange[Before running:] this template is not in the workspace. Choose another one.")
        return
    st.caption(md(chosen.about))
    if said := scoring_note(chosen.scorings, view.options.scoring, model, view.options.turns):
        st.caption(said)
    template_editor.opener(view, chosen.own)


def scoring_note(scorings: Sequence[str], asked: str, model: ModelInfo | None, turns: str = "one") -> str:
    """What the template cannot do with the scoring asked for, or which one auto means then. Markdown."""
    if model is None or asked in scorings:
        return ""
    if asked != "auto":
        others = " or ".join(_label(name) for name in scorings if name in model.scorings)
        others = others or "another template"
        return f":orange[Before running:] it has no question for {_label(asked)}. Choose {others}."
    meant = automatic(model, scorings, turns)
    if meant == model.scoring or meant not in scorings:
        return ""
    if model.scoring in scorings:
        return f"The model's default scoring is read from plain text; in turns it ranks by {_label(meant)}."
    return f"The model's default scoring has no question in it; it ranks by {_label(meant)}."


def _label(scoring: str) -> str:
    return f"“{md(values.label(SCORINGS, scoring))}”"


def _picked(key: str) -> None:
    session.show(session.view().asking(template=st.session_state[key]))


def turns(view: View, model: ModelInfo | None, changed: Any) -> None:
    """One message or a conversation, for a model that may have a chat template."""
    chats, asked = None if model is None else model.chats, view.options.turns
    if chats is False and asked != "chat":
        return
    forms.bind(field_of(RunOptions, "turns"), "pick-turns", asked, changed)
    if asked == "auto" and model is not None and chats and model.endpoint is None:
        st.caption(f"With {md(model.name)}: {values.label(TURNS, model.turns_for(asked))}.")
    if asked == "chat" and (said := turns_note(view.options.scoring, model)):
        st.caption(said)


def turns_note(scoring: str, model: ModelInfo | None) -> str:
    """Why demonstrations cannot be turns, or that nobody knows yet. Markdown."""
    if model is None or model.chats is None:
        return CHAT_UNKNOWN
    if model.endpoint is not None:
        can = model.scorings_in("chat")
        if scoring in can or (scoring == "auto" and can):
            return ""
        others = f", or rank by {' or '.join(map(_label, can))}" if can else ""
        return f":orange[Before running:] {NO_CHAT_THERE.format(others)}"
    return "" if model.chats else f":orange[Before running:] {NO_CHAT}"
