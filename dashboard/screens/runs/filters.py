"""The search, the filters and the order of the page of runs; each choice goes into the address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.screens.runs.asked import Asked, read, write
from dashboard.state import links, session, widgets
from dashboard.text import values
from dashboard.text.literal import plain
from db import runs
from db.choices import FILLED_BY, ORDERS, TEMPLATES, Choice

PAGE = "runs"
ANY = ""
OFFERED: dict[str, tuple[str, Mapping[str, Choice]]] = {
    "dataset": ("Data set", {}),
    "model": ("Model", {}),
    "strategy": ("Strategy", FILLED_BY),
    "template": ("Prompt template", TEMPLATES),
    "tag": ("Tag", {}),
}
"""Fields of a filter that are chosen from what there is: their labels, and the labels of their values."""
YES_OR_NO = {"starred": ("Star", {True: "with", False: "without"})}
YES_OR_NO["has_target"] = ("Target", {True: "ranked", False: "not known"})


def current() -> Asked:
    """What the address asks for, else what this session asked for last."""
    return read(st.query_params.to_dict() or links.kept(PAGE))


def show(asked: Asked) -> None:
    """Put this into the address, and so on the page."""
    params = write(asked)
    st.query_params.from_dict(params)
    links.keep(PAGE, params)


def draw(asked: Asked) -> None:
    """All fields."""
    with st.container(key="runs-order"):
        cells = st.columns((2.4, 1, 0.8, 0.8), vertical_alignment="bottom", gap="small")
        with cells[0]:
            _search(asked)
        with cells[1]:
            labels = {name: values.sentence(row.label) for name, row in ORDERS.items()}
            _select("Sort by", "runs-order-by", labels, asked.order, lambda name: _sorted(asked, name))
        with cells[2]:
            _toggle("Other way round", "runs-reverse", asked.reverse, lambda on: _turned(asked, on))
        with cells[3]:
            _toggle(
                "Deleted runs", "runs-deleted", asked.filter.deleted, lambda on: _narrow(asked, deleted=on)
            )
    with st.container(key="runs-filters"):
        cells = st.columns(len(OFFERED) + len(YES_OR_NO), gap="small")
        for cell, (name, (label, table)) in zip(cells, OFFERED.items(), strict=False):
            with cell:
                _offered(asked, name, label, table)
        for cell, (name, (label, words)) in zip(cells[len(OFFERED) :], YES_OR_NO.items(), strict=True):
            with cell:
                _either(asked, name, label, words)


def _search(asked: Asked) -> None:
    key = widgets.showing("runs-search", asked.filter.search)
    st.text_input(
        "Find runs",
        asked.filter.search,
        key=key,
        placeholder="user, target title, strategy, model, data set, tag or words of a note",
        on_change=lambda: _narrow(asked, search=st.session_state[key]),
    )


def _offered(asked: Asked, name: str, label: str, table: Mapping[str, Choice]) -> None:
    """A select box of what there is; what a link names and is there no more is offered, too."""
    there = runs.values(session.store(), name)
    value = getattr(asked.filter, name)
    there += [value] if value is not None and value not in there else []
    labels = {ANY: "any", **{each: values.label(table, each) if table else plain(each, 60) for each in there}}
    _select(
        label, f"runs-{name}", labels, value or ANY, lambda chosen: _narrow(asked, **{name: chosen or None})
    )


def _either(asked: Asked, name: str, label: str, words: Mapping[bool, str]) -> None:
    flags = {ANY: None, **{word: flag for flag, word in words.items()}}
    shown = next(word for word, flag in flags.items() if flag == getattr(asked.filter, name))
    labels = {word: word or "any" for word in flags}
    _select(label, f"runs-{name}", labels, shown, lambda word: _narrow(asked, **{name: flags[word]}))


def _select(
    label: str, name: str, labels: Mapping[Any, str], value: Any, chosen: Callable[[Any], None]
) -> None:
    options: Sequence[Any] = list(labels)
    key = widgets.showing(name, value)
    st.selectbox(
        label,
        options,
        index=options.index(value),
        key=key,
        format_func=lambda option: labels.get(option, str(option)),
        on_change=lambda: chosen(st.session_state[key]),
    )


def _toggle(label: str, name: str, value: bool, chosen: Callable[[bool], None]) -> None:
    key = widgets.showing(name, value)
    st.toggle(label, value, key=key, on_change=lambda: chosen(st.session_state[key]))


def _narrow(asked: Asked, **fields: Any) -> None:
    show(asked.narrowed(**fields))


def _sorted(asked: Asked, order: str) -> None:
    show(asked.sorted_by(order, asked.reverse))


def _turned(asked: Asked, reverse: bool) -> None:
    show(asked.sorted_by(asked.order, reverse))
