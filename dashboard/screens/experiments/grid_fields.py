"""The fields of a grid: each axis a choice of several, whose values come from `db.choices` and the store.

Answers outlive the page, as those of every form; `fill` sets them from a request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.state import session, widgets
from dashboard.text import values
from dashboard.text.literal import plain
from dashboard.ui import forms, help
from db import models, sets, templates
from db.choices import EDITS, SET, STRATEGIES, TEMPLATES, Choice
from db.datasets import DatasetInfo
from db.requests import ExperimentRequest
from db.requests.edits import usual
from db.requests.experiment import AXES, OPTIONAL
from db.requests.fields import RequestField, described, field_of

NONE = "none"
SIZES = ("1", "2", "4", "8", "16")
LENGTHS = ("5", "10", "20", "50")
START_K, START_STRATEGIES = ("4",), (NONE, "neighbours")
STRATEGY_NAMES, COUNTS, SETS, WRITTEN = "demos-strategies", "demos-k", "demos-sets", "demos-written"


def name_of(part: str) -> str:
    """The name under which the form keeps an answer."""
    return f"experiment-{part}"


def several(
    label: str,
    part: str,
    options: Sequence[str],
    start: Sequence[str],
    *,
    words: Callable[[str], str] = str,
    new: bool = False,
    **how: Any,
) -> tuple[str, ...]:
    """Draw a choice of several and return the answer, at first `start`. `words`: an option for people; `new`:
    others can be written; without it an answer that is no option any more is left out."""
    name = name_of(part)
    answer = [value for value in widgets.kept(name, list(start)) if new or value in options]
    key = widgets.showing(name, answer)

    def keep() -> None:
        widgets.keep(name, list(st.session_state[key]))

    shown = [*options, *(value for value in answer if value not in options)]
    how |= {"format_func": words, "accept_new_options": new, "on_change": keep}
    st.multiselect(label, shown, default=answer, key=key, **how)
    return tuple(answer)


def demonstrations(info: DatasetInfo) -> tuple[str, ...]:
    """Strategies with their sizes, stored sets, and what was written by hand."""
    field = field_of(ExperimentRequest, "demos")
    chosen = several(
        "Demonstrations",
        STRATEGY_NAMES,
        list(STRATEGIES),
        START_STRATEGIES,
        words=_label(STRATEGIES),
        help=help.more("Ways to choose them; every one is a row for each number below.", field.guide),
    )
    counts = several(
        "How many",
        COUNTS,
        SIZES,
        START_K,
        new=True,
        help=help.more("Demonstrations per prompt; several numbers are compared. Others can be typed."),
    )
    own = [kept.name for kept in sets.listing(session.store(), info.id)]
    picked: tuple[str, ...] = ()
    if own:
        picked = several("Stored sets", SETS, own, (), words=plain, placeholder="none")
    return (*expanded(chosen, counts, picked), *widgets.kept(name_of(WRITTEN), []))


def written_by_hand() -> None:
    """The field for what the others cannot say, such as a budget in tokens."""
    several(
        "Other demonstrations",
        WRITTEN,
        (),
        (),
        new=True,
        placeholder="such as bm25:300t",
        help=help.more("STRATEGY:K, STRATEGY:Tt for what fits into T tokens, or set:NAME@VERSION."),
    )


def expanded(strategies: Sequence[str], counts: Sequence[str], stored: Sequence[str] = ()) -> tuple[str, ...]:
    """The values of `demos`: none first, every strategy in each size, the sets."""
    named = [name for name in strategies if name != NONE]
    sized = [f"{name}:{count.strip()}" for name in named for count in counts]
    return (*([NONE] if NONE in strategies else []), *sized, *(f"{SET.name}:{name}" for name in stored))


def axis(field: RequestField) -> tuple[Any, ...]:
    """Another axis than the demonstrations: its values as a request holds them."""
    table = field.choices or field.names or {}
    options, new = _options(field), field.part is int or field.names is EDITS
    label, start = values.title(field), [str(value) for value in field.default]
    note = help.of(field) if table else help.more(f"{field.asked.about}.", field.guide)
    answer = several(label, field.name, options, start, words=_label(table), new=new, help=note)
    if field.part is not int:
        return answer
    return tuple(int(value) if value.strip().isdecimal() else value for value in answer)


def _options(field: RequestField) -> list[str]:
    if field.name == "model":
        return [model.name for model in models.listing(session.store())]
    if field.part is int:
        return list(LENGTHS)
    own = [kept.name for kept in templates.listing(session.store())] if field.names is TEMPLATES else []
    table: Mapping[str, Choice] = field.choices or field.names or {}
    names = [str(usual(name)) for name in table] if field.names is EDITS else [*table, *own]
    return [NONE, *names] if field.name in OPTIONAL else names


def _label(table: Mapping[Any, Choice]) -> Callable[[str], str]:
    def label(name: str) -> str:
        if name == NONE:
            return table[name].label if name in table else NONE
        return values.perturbation(name) if table is EDITS else values.label(table, name)

    return label


def reference(request: ExperimentRequest) -> str | None:
    """The row that the others are compared with, of the rows that there will be."""
    field = field_of(ExperimentRequest, "reference")
    keys = [forms.NONE, *request.rows()]
    named = {forms.NONE: f"{field.asked.nothing}: {keys[1]}"}
    chosen = forms.choose(
        values.title(field),
        name_of("reference"),
        keys,
        forms.NONE,
        format_func=lambda key: plain(named.get(key, key), 60),
        help=help.more("All rows are tested against it. The result can be read against any other row."),
    )
    return chosen or None


def fill(request: ExperimentRequest) -> None:
    """Let the form say what a request says."""
    strategies, counts, stored, rest = parts(request.demos)
    answers: dict[str, Any] = {STRATEGY_NAMES: strategies, COUNTS: counts, SETS: stored, WRITTEN: rest}
    for field in described(ExperimentRequest):
        value = getattr(request, field.name)
        if field.name == "demos":
            continue
        if field.name == "reference":
            value = value or forms.NONE
        axes = field.name in AXES or field.name == "systems"
        answers[field.name] = [str(part) for part in value or ()] if axes else value
    for part, answer in answers.items():
        widgets.keep(name_of(part), answer)


def parts(demos: Sequence[str]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Strategies, sizes, sets and the rest, of which `expanded` makes the same demonstrations in another
    order: strategies are compared in the same sizes, others are written out."""
    sizes: dict[str, list[str]] = {}
    stored = []
    for written in demos:
        name, _, size = written.partition(":")
        if name == SET.name and "@" not in size:
            stored.append(size)
        elif name in STRATEGIES and size.isdecimal():
            sizes.setdefault(name, []).append(size)
    usual_sizes = max(sizes.values(), key=len, default=list(START_K))
    named = [name for name, of in sizes.items() if of == usual_sizes]
    strategies = [*([NONE] if NONE in demos else []), *named]
    said = expanded(strategies, usual_sizes, stored)
    return strategies, usual_sizes, stored, [written for written in demos if written not in said]
