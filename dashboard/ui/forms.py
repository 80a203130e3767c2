"""Fields of forms, drawn from what `db.requests` says of them: bounds, choices with their labels, help.

`ask` draws a field of a form, which keeps what was chosen; `bind` one that shows a value kept elsewhere and
hands changes to a callback, which reads them with `answer`. What a widget holds differs from what a request
holds where a field is optional, written as text or a tuple.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.state import session
from dashboard.text import values
from dashboard.text.literal import plain
from dashboard.ui import help
from db import models
from db.choices import EDITS, STRATEGIES, Choice
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.models import ModelInfo
from db.requests.edits import parse, usual
from db.requests.fields import RequestField

USUAL = "embedded"
NONE = ""
"""In a select box: nothing of it."""
UNSET = object()
MOST = 16
"""Demonstrations that a form offers; a link or a command may ask for more."""


def ask(field: RequestField, key: str, start: Any, *, keep: bool = True, **how: Any) -> Any:
    """Draw a field of a form; what it says, as a request holds it. `start`: what it says at first.

    `keep`: what was chosen outlives the page. `how`: see `_draw`.
    """
    if field.names is STRATEGIES:
        return _strategy(field, key, start)
    how |= {"persist_state": "session"} if keep else {}
    held = _draw(field, key, _held(field, start), **how)
    said = answer(field, held, start)
    deleted = said is None and (field.kind in (int, float) or not field.optional)
    return start if deleted else said


def bind(field: RequestField, key: str, value: Any, changed: Callable[[str, str], None], **how: Any) -> None:
    """Draw a field that shows `value`; another one is handed on by `changed(name of the field, key)`."""
    session.put(key, _held(field, value))
    _draw(field, key, UNSET, on_change=changed, args=(field.name, key), **how)


def answer(field: RequestField, held: Any, before: Any) -> Any:
    """What a widget of this field holds, as a request holds it. `before`: what the request held, whose
    amounts of edits and order of names stay. None where a number was deleted."""
    if field.names is EDITS:
        written = {edit.name: str(edit) for edit in _edits(before)}
        return "+".join(written.get(name, str(usual(name))) for name in EDITS if name in held) or None
    if field.kind is tuple:
        nothing = None if field.optional else ()
        same = before is not None and set(held) == set(before)
        return before if same else tuple(name for name in field.choices or {} if name in held) or nothing
    if field.kind is str and field.optional:
        return (held or "").strip() or None
    if held is None or field.kind not in (int, float):
        return held
    return field.kind(held)


def _held(field: RequestField, value: Any) -> Any:
    """What the widget of a field holds for a value of a request."""
    if field.names is EDITS:
        return [edit.name for edit in _edits(value)]
    if field.kind is tuple:
        return list(value or ())
    return NONE if value is None and field.kind is str else value


def _edits(written: str | None) -> Sequence[Any]:
    try:
        return parse(written) if written else ()
    except BadInput:  # of a link
        return ()


def _draw(
    field: RequestField,
    key: str,
    start: Any,
    *,
    label: str = "",
    segments: bool = False,
    step: float = 1,
    note: str = "",
    **common: Any,
) -> Any:
    """The widget that fits the field. `label`: another than the field's own. `segments`: choices side by
    side. `step`: of a number's buttons. `note`: help in place of the field's own. `common`: as it is."""
    common |= {"label": label or values.title(field), "key": key, "help": help.of(field, note)}
    given = start is not UNSET
    if field.names is EDITS:
        common |= {"default": start} if given else {}
        return st.multiselect(
            options=list(EDITS), format_func=_label_of(EDITS), placeholder=field.asked.nothing, **common
        )
    if field.kind is tuple:
        common |= {"default": start} if given else {}
        table = field.choices or {}
        return st.pills(options=list(table), selection_mode="multi", format_func=_label_of(table), **common)
    if field.choices is not None or field.names is not None or field.model:
        return _choice(field, start, segments=segments, **common)
    if field.kind is bool:
        return st.toggle(**({"value": start} if given else {}), **common)
    common |= {"value": start} if given else {}
    common |= {"placeholder": field.asked.nothing} if field.optional else {}
    if field.kind is str:
        return st.text_input(**common)
    return _number(field, step, **common)


def _choice(field: RequestField, start: Any, *, segments: bool, **common: Any) -> Any:
    """One of several. A name that is there no more, as of an old link, is offered as it is."""
    table: Mapping[Any, Choice] = field.choices or field.names or {}
    options: list[Any] = [*([NONE] if field.optional else []), *(_model_names() if field.model else table)]
    current = st.session_state.get(common["key"]) if start is UNSET else start
    options += [current] if current not in (*options, None) else []

    def label(name: Any) -> str:
        return field.asked.nothing if name == NONE else values.label(table, name)

    if segments:
        return st.segmented_control(
            options=options,
            required=True,
            format_func=label,
            **({} if start is UNSET else {"default": start}),
            **common,
        )
    index = {} if start is UNSET else {"index": options.index(start) if start in options else None}
    return st.selectbox(options=options, format_func=label, **index, **common)


def _number(field: RequestField, step: float, **common: Any) -> Any:
    """Whole or not, within its bounds; a positive number that is none is refused by the request."""
    if field.kind is int:
        common |= {"step": int(step)}
    else:
        common |= {"step": float(step), "format": "%g"}
    low, high = (None if bound is None else field.kind(bound) for bound in (field.low, field.high))
    return st.number_input(min_value=low, max_value=high, **common)


def _label_of(table: Mapping[Any, Choice]) -> Callable[[Any], str]:
    return lambda name: values.label(table, name)


def _model_names() -> list[str]:
    return [model.name for model in models.listing(session.store())]


def _strategy(field: RequestField, key: str, start: str) -> str:
    """A way of choosing demonstrations and how many: `bm25:4`."""
    name, _, size = start.partition(":")
    names = [strategy for strategy in STRATEGIES if strategy != "none"]
    left, right = st.columns((1.6, 1), gap="small")
    with left:
        chosen = st.selectbox(
            values.title(field),
            names,
            index=names.index(name),
            key=f"{key}-name",
            format_func=_label_of(STRATEGIES),
            persist_state="session",
            help=help.of(field),
        )
    with right:
        many = st.number_input(
            "How many", 1, MOST, value=int(size), key=f"{key}-count", persist_state="session"
        )
    return f"{chosen or name}:{many or size}"


def data_set(key: str, known: Sequence[DatasetInfo]) -> DatasetInfo:
    """The data set: at first the one the person looks at; one that is gone falls back to it."""
    names = [info.name for info in known]
    if st.session_state.get(key) not in names:
        shown = session.view().dataset if "view" in st.session_state else None
        st.session_state[key] = shown if shown in names else names[0]
    name = st.selectbox("Data set", names, key=key, format_func=plain, persist_state="session")
    return next(info for info in known if info.name == name)


def model(label: str, key: str, known: Sequence[ModelInfo], note: str = "") -> str | None:
    """A registered model by its name, the embedded one first; None where there is none."""
    names = [model.name for model in known]
    if names and st.session_state.get(key) not in names:
        st.session_state[key] = USUAL if USUAL in names else names[0]
    return st.selectbox(
        label,
        names,
        key=key,
        format_func=plain,
        placeholder="register one in the Library",
        persist_state="session",
        help=help.more(note),
    )
