"""What can be asked of the optimizer, as fields; and the payload, which leaves out what nobody changed."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.state.view import View
from dashboard.ui import forms
from db.requests import OptimizeRequest
from db.requests.fields import described, field_of
from db.requests.keep import read_kept

COLUMNS = (("size", "tokens"), ("probes", "beam", "measure"), ("stages", "seed", "guard"))
WIDE = ("sources", "perturb")  # under the columns
OF_VIEW = ("target", "history", "scoring", "template", "turns", "seed")  # as the page has them
USUAL: dict[str, Any] = {field.name: field.default for field in described(OptimizeRequest)}
HOW: dict[str, dict[str, Any]] = {"tokens": {"step": 50}}


def payload(view: View, options: Mapping[str, Any], keep: str | None = None) -> dict[str, Any]:
    """The question for the view's user; the defaults of what nobody changed are the engine's.

    keep: what is locked on the desk. Where that alone is as many as nobody asked for, as many are asked for
    beside it as usual.
    """
    wanted = {**{name: getattr(view.options, name) for name in OF_VIEW}, **options, "keep": keep}
    locked = len(read_kept(keep))
    if wanted.get("size", USUAL["size"]) == USUAL["size"] <= locked:
        wanted["size"] = min(locked + USUAL["size"], int(field_of(OptimizeRequest, "size").high or 0))
    changed = {name: value for name, value in wanted.items() if value != USUAL[name]}
    if "sources" in changed:
        changed["sources"] = list(changed["sources"])
    return {"dataset": view.dataset, "user": view.user, "model": view.model, **changed}


def fields(view: View) -> dict[str, Any]:
    """Draw the fields; what they say."""
    options = {}
    for column, names in zip(st.columns(len(COLUMNS), gap="small"), COLUMNS, strict=True):
        with column:
            options |= {name: _field(name, view) for name in names}
    return options | {name: _field(name, view) for name in WIDE}


def _field(name: str, view: View) -> Any:
    start = view.options.seed if name == "seed" else USUAL[name]
    key = f"optimize-{name}"
    return forms.ask(field_of(OptimizeRequest, name), key, start, keep=False, **HOW.get(name, {}))
