"""Which runs the page shows, as its address says it. No Streamlit, no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from db.choices import ORDERS
from db.names import clean_text
from db.runs import Filter

TEXTS = {
    "search": "q",
    "dataset": "data",
    "user": "user",
    "model": "model",
    "strategy": "strategy",
    "template": "template",
    "tag": "tag",
}
"""Fields of a filter that are text -> their parameters in the address."""
FLAGS = {"starred": "star", "has_target": "target", "deleted": "deleted"}
"""Those that are yes or no."""
WRITTEN = {True: "yes", False: "no"}
START = "when"


@dataclass(frozen=True)
class Asked:
    """A filter, an order, and the run that the page begins after, or ends before."""

    filter: Filter = field(default_factory=Filter)
    order: str = START
    reverse: bool = False
    after: str | None = None
    before: str | None = None

    def narrowed(self, **fields: Any) -> "Asked":
        """With other fields of the filter, from the first page on."""
        return replace(self, filter=replace(self.filter, **fields), after=None, before=None)

    def sorted_by(self, order: str, reverse: bool) -> "Asked":
        """In another order, from the first page on."""
        return replace(self, order=order, reverse=reverse, after=None, before=None)

    def paged(self, *, after: str | None = None, before: str | None = None) -> "Asked":
        """Another page of the same."""
        return replace(self, after=after, before=before)


def read(params: Mapping[str, Any]) -> Asked:
    """What an address asks for; parts that cannot be read are left out."""
    texts = {name: _text(params, param) for name, param in TEXTS.items()}
    meant = {word: flag for flag, word in WRITTEN.items()}
    flags = {name: meant.get(_text(params, param) or "") for name, param in FLAGS.items()}
    found: dict[str, Any] = {name: value for name, value in {**texts, **flags}.items() if value is not None}
    order = _text(params, "sort") or START
    return Asked(
        Filter(**found),
        order if order in ORDERS else START,
        _text(params, "reverse") == WRITTEN[True],
        _text(params, "after"),
        _text(params, "before"),
    )


def write(asked: Asked) -> dict[str, str]:
    """The parameters that `read` reads; what is as usual is left out."""
    usual = Filter()
    params: dict[str, str] = {}
    for name, param in {**TEXTS, **FLAGS}.items():
        value = getattr(asked.filter, name)
        if value != getattr(usual, name):
            params[param] = WRITTEN[value] if isinstance(value, bool) else value
    if asked.order != START:
        params["sort"] = asked.order
    if asked.reverse:
        params["reverse"] = WRITTEN[True]
    places = {"after": asked.after, "before": asked.before}
    return params | {name: key for name, key in places.items() if key}


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    value = value[-1] if isinstance(value, list) and value else value
    return clean_text(value) if isinstance(value, str) and value.strip() else None
