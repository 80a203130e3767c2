"""Fields of requests and their values as people read them, from the rows of `db.choices`. Plain text.

Boundary: no Streamlit, no store. A stored request may name what there is no row for any more: it is shown as
it is written.
"""

from collections.abc import Mapping
from typing import Any

from dashboard.text.literal import plain
from db.choices import EDITS, SET, SOURCES, STRATEGIES, Choice
from db.errors import BadInput
from db.requests import edits
from db.requests.fields import RequestField
from db.requests.strategy_spec import reference_of

LONGEST = 60


def title(field: RequestField) -> str:
    """The label of a field at the head of a form's widget."""
    return sentence(field.asked.label)


def sentence(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def label(table: Mapping[Any, Choice], name: object) -> str:
    """The label of a choice; a name without a row as it is."""
    return table[name].label if name in table else plain(name, LONGEST)


def source(name: object) -> str:
    """Where a demonstration comes from."""
    return label(SOURCES, name)


def strategy(spec: str) -> str:
    """BM25 (4); BM25 (as many as fit in 300 tokens); named set good-ones; no demonstrations."""
    _, colon, size = spec.partition(":")
    if not colon or reference_of(spec) is not None:
        return strategy_name(spec)
    many = f"as many as fit in {size[:-1]} tokens" if size.endswith("t") else size
    return f"{strategy_name(spec)} ({plain(many, 40)})"


def strategy_name(spec: str) -> str:
    """The same without a number: BM25, named set good-ones."""
    if (reference := reference_of(spec)) is not None:
        return f"{SET.label} {plain(reference.partition('@')[0], 40)}"
    return label(STRATEGIES, spec.partition(":")[0])


def perturbation(written: str) -> str:
    """Ridge 0.2, Order."""
    try:
        parts = edits.parse(written)
    except BadInput:
        return plain(written, LONGEST)
    return ", ".join(
        edit.kind.label if edit.amount is None else f"{edit.kind.label} {edit.amount:g}" for edit in parts
    )


def shown(field: RequestField, value: Any) -> str:
    """The value of a field, by the labels of what was chosen."""
    if value is None:
        return field.asked.nothing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(label(field.choices or {}, part) for part in value) or "none"
    if field.names is STRATEGIES:
        return strategy(value)
    if field.names is EDITS:
        return perturbation(value)
    return label(field.choices or field.names or {}, value)
