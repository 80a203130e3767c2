"""Fields of forms, drawn from what `db.requests` says of them: bounds, choices with their labels, help.

`ask` draws a field of a form and keeps the answer; `bind` draws one that shows a value kept elsewhere and
passes changes to a callback, which reads them with `answer`; `choose` draws a select box of anything. What a
widget holds differs from what a request holds where a field is optional, written as text or a tuple.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.state import session, widgets
from dashboard.text import values
from dashboard.text.literal import md, plain
from dashboard.ui import help
from db.choices import EDITS, STRATEGIES, Choice
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.models import ModelInfo
from db.requests.edits import parse, usual
from db.requests.fields import RequestField

USUAL = "embedded"
NONE = ""
"""In a select box: nothing of it."""
MOST = 16
"""Demonstrations that a form offers at most."""


def ask(field: RequestField, name: str, start: Any, *, keep: bool = True, **how: Any) -> Any:
    """Draw a field of a form; returns the answer as a request holds it, at first `start`.

    `keep`: the answer outlives the page; else it is a draft, dropped when the form closes or `start` changes.
    A number that is deleted becomes `start` again. `how`: see `_draw`.
    """
    if field.names is STRATEGIES:
        return _strategy(field, name, start)
    if not keep:
        key = widgets.drafting(name, start)
        holds = _draw(field, key, st.session_state.get(key, _held(field, start)), **how)
        said = answer(field, holds, start)
        return start if _deleted(field, said) else said
    value = widgets.kept(name, start)
    held = _held(field, value)
    key = widgets.showing(name, held)
    _draw(field, key, held, on_change=_answered, args=(field, name, key, value, start), **how)
    return value


def bind(field: RequestField, name: str, value: Any, changed: Callable[[str, str], None], **how: Any) -> None:
    """Draw a field that shows `value`; a change is passed on by `changed(name of the field, widget key)`."""
    held = _held(field, value)
    key = widgets.showing(name, held)
    _draw(field, key, held, on_change=changed, args=(field.name, key), **how)


def choose(label: str, name: str, options: Sequence[Any], start: Any, **how: Any) -> Any:
    """Draw a select box and return its answer, at first `start`. The answer outlives the page.

    An answer that is no longer an option gives way to `start`. `how`: as `st.selectbox` takes it.
    """
    value = widgets.kept(name, start)
    value = value if value in options else start
    key = widgets.showing(name, value)
    index = options.index(value) if value in options else None
    st.selectbox(label, options, index=index, key=key, on_change=_chosen, args=(name, key), **how)
    return value


def _answered(field: RequestField, name: str, key: str, before: Any, start: Any) -> None:
    said = answer(field, st.session_state[key], before)
    widgets.keep(name, start if _deleted(field, said) else said)


def _chosen(name: str, key: str) -> None:
    widgets.keep(name, st.session_state[key])


def _deleted(field: RequestField, said: Any) -> bool:
    return said is None and (field.kind in (int, float) or not field.optional)


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
    held: Any,
    *,
    label: str = "",
    step: float = 1,
    note: str = "",
    without: Sequence[str] = (),
    **common: Any,
) -> Any:
    """The widget that fits the field, holding `held`. `label`: another than the field's own. `step`:
    of a number's buttons. `note`: help in place of the field's own. `without`: choices that are not offered
    here. `common`: as the widget takes it."""
    common |= {"label": label or values.title(field), "key": key, "help": help.of(field, note)}
    if field.names is EDITS:
        return st.multiselect(
            options=list(EDITS),
            default=held,
            format_func=_label_of(EDITS),
            placeholder=field.asked.nothing,
            **common,
        )
    if field.kind is tuple:
        table = field.choices or {}
        return st.pills(
            options=list(table),
            default=held,
            selection_mode="multi",
            format_func=_label_of(table),
            **common,
        )
    if field.choices is not None or field.names is not None or field.model:
        return _choice(field, held, without=without, **common)
    if field.kind is bool:
        return st.toggle(value=held, **common)
    common |= {"placeholder": field.asked.nothing} if field.optional else {}
    if field.kind is str:
        return st.text_input(value=held, **common)
    return _number(field, held, step, **common)


def _choice(field: RequestField, held: Any, *, without: Sequence[str] = (), **common: Any) -> Any:
    """One of several. A name that is there no more, as of an old link, is offered as it is."""
    table: Mapping[Any, Choice] = field.choices or field.names or {}
    options: list[Any] = [*([NONE] if field.optional else []), *(_model_names() if field.model else table)]
    options = [name for name in options if name not in without]
    options += [held] if held not in (*options, None) else []

    def label(name: Any) -> str:
        return field.asked.nothing if name == NONE else values.label(table, name)

    index = options.index(held) if held in options else None
    return st.selectbox(options=options, index=index, format_func=label, **common)


def _number(field: RequestField, held: float | None, step: float, **common: Any) -> Any:
    """Whole or not, within its bounds; a positive number that is none is refused by the request."""
    if field.kind is int:
        common |= {"step": int(step)}
    else:
        common |= {"step": float(step), "format": "%g"}
    bounds = field.low, field.high, held
    low, high, held = (None if number is None else field.kind(number) for number in bounds)
    return st.number_input(min_value=low, max_value=high, value=held, **common)


def _label_of(table: Mapping[Any, Choice]) -> Callable[[Any], str]:
    return lambda name: values.label(table, name)


def _model_names() -> list[str]:
    return [model.name for model in session.local_models()]


def _strategy(field: RequestField, name: str, start: str) -> str:
    """A way of choosing demonstrations and how many: `bm25:4`."""
    usual_name, _, usual_size = start.partition(":")
    names = [strategy for strategy in STRATEGIES if strategy != "none"]
    left, right = st.columns((1.6, 1), gap="small")
    with left:
        chosen = choose(
            values.title(field),
            f"{name}-name",
            names,
            usual_name,
            format_func=_label_of(STRATEGIES),
            help=help.of(field),
        )
    with right:
        size = widgets.kept(f"{name}-count", int(usual_size))
        key = widgets.showing(f"{name}-count", size)
        st.number_input("How many", 1, MOST, value=size, key=key, on_change=_counted, args=(name, key))
    return f"{chosen}:{size}"


def _counted(name: str, key: str) -> None:
    if st.session_state[key] is not None:  # deleted: the number before stays
        widgets.keep(f"{name}-count", st.session_state[key])


def data_set(name: str, known: Sequence[DatasetInfo]) -> DatasetInfo:
    """The data set, at first the one of the Recommend page."""
    names = [info.name for info in known]
    seen = session.view().dataset if "view" in st.session_state else None
    chosen = choose("Data set", name, names, seen if seen in names else names[0], format_func=plain)
    return next(info for info in known if info.name == chosen)


def model(label: str, name: str, known: Sequence[ModelInfo], note: str = "") -> str | None:
    """A registered model by its name, at first the embedded one; None where there is none."""
    names = [model.name for model in known if model.endpoint is None]
    start = USUAL if USUAL in names else next(iter(names), None)
    chosen = choose(
        label,
        name,
        names,
        start,
        format_func=plain,
        placeholder="register one in the Library",
        help=help.more(note),
    )
    for trouble in (model.trouble for model in known if model.name == chosen and model.broken):
        st.caption(f":orange[Note:] {md(trouble)}")
    return chosen
