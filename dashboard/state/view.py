"""What the Recommend page shows, as one value: written to the address bar and read back from it.

Boundary: no Streamlit here. A `View` is everything a link must carry to reopen the page as it was; whatever
in a link cannot be read is replaced by the default and said, never an error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from db.canonical import exact
from db.choices import STRATEGIES
from db.errors import BadInput
from db.names import quoted
from db.requests import Chosen, RunOptions, RunRequest
from db.requests.fields import RequestField, described
from db.requests.keep import read_kept
from db.requests.run import read_chosen, write_chosen
from db.requests.strategy_spec import MOST, parse_spec

MOST_DEMONSTRATIONS = 24
"""That are put on the desk by hand; sets and links hold more."""
WEIGHT_MOST = 3.0
"""That sliders and the optimizer give; stored runs and sets can have more, which the desk shows."""
CANDIDATE_COUNTS = (20, 50, 100)
LOCKED = "locked"
"""The parameter of a link that names the locked demonstrations."""
DIGITS = 12
"""Of a number in a link, at most; every bound has fewer."""


@dataclass(frozen=True)
class View:
    """The pickers, the options and the desk. `options`: how to rank, and the strategy that fills the desk
    while `chosen` is None.

    `chosen` wins over what the options say of demonstrations, which come back when it is None again.
    `locked`: ids of demonstrations that strategies and the optimizer leave where they are; no run depends on
    them.
    """

    dataset: str | None = None
    user: str | None = None
    model: str | None = None
    chosen: tuple[Chosen, ...] | None = None
    options: RunOptions = field(default_factory=RunOptions)
    locked: tuple[str, ...] = ()

    def request(self) -> RunRequest | None:
        """The run this view asks for; None while data set, user or model is missing."""
        if self.dataset is None or self.user is None or self.model is None:
            return None
        options = self.options
        if self.chosen is not None:  # in one prompt, looked through by nobody, with weights of their own
            by_hand = {"demonstrations": self.chosen, "weights": None, "prompts": 1}
            options = replace(options, **by_hand, prescore=None, keep=None)
        return options.run(self.dataset, self.user, self.model)

    def asking(self, **options: Any) -> "View":
        """The view with these options. Raises BadInput where they make no sense."""
        return replace(self, options=replace(self.options, **options))

    def of_user(self, dataset: str | None, user: str | None) -> "View":
        """The view of another user: what was chosen and weighted by hand belongs to the one before."""
        mine = self.asking(weights=None, keep=None)
        return replace(mine, dataset=dataset, user=user, chosen=None, locked=())

    def filled(self, demos: str, locked: tuple[str, ...] = (), **options: Any) -> "View":
        """The view whose desk a strategy or a stored set fills. Raises BadInput."""
        usual: dict[str, Any] = {"weights": None, "prompts": 1, "prescore": None, "keep": None}
        return replace(self.asking(demos=demos, **{**usual, **options}), chosen=None, locked=locked)


def from_request(request: RunRequest) -> View:
    """The view that shows a stored run."""
    options = replace(request.options, demonstrations=None)
    locked = tuple(kept.id for kept in read_kept(request.keep))
    return View(request.dataset, request.user, request.model, request.demonstrations, options, locked)


def to_params(view: View) -> dict[str, str]:
    """The address-bar parameters of a view: data set, user and model, then what differs from the default."""
    params: dict[str, str] = {}
    for asked in described(RunRequest):
        value = _value(view, asked)
        if value is not None and (_of_view(asked) or value != asked.default):
            params[asked.link] = _written(asked, value)
    if view.locked:
        params[LOCKED] = ",".join(view.locked)
    return params


def from_params(params: Mapping[str, Any]) -> tuple[View, list[str]]:
    """The view a link asks for, and one sentence for each part of it that could not be read."""
    view, notes = View(), []
    for asked in described(RunRequest):
        text = _text(params.get(asked.link))
        if text is None:
            continue
        if asked.name == "demonstrations":
            chosen, unread = _read_set(text)
            view = replace(view, chosen=chosen)
            notes += [
                f"The link's demonstration {quoted(part)} cannot be read; it was left out." for part in unread
            ]
        elif _of_view(asked):
            view = replace(view, **{asked.name: text})
        else:
            try:
                view = view.asking(**{asked.name: _read(asked, text)})
            except BadInput:
                default = "nothing" if asked.default is None else asked.default
                notes.append(
                    f"The link's {asked.link}={quoted(text)} cannot be used here; {default} is shown instead."
                )
    locked = (_text(params.get(LOCKED)) or "").split(",")[:MOST]
    return replace(view, locked=tuple(dict.fromkeys(filter(None, locked)))), notes


def _of_view(asked: RequestField) -> bool:
    """Whether the view itself, not its options, holds this field."""
    return asked.name in ("dataset", "user", "model")


def _value(view: View, asked: RequestField) -> Any:
    if asked.name == "demonstrations":
        return view.chosen
    return getattr(view if _of_view(asked) else view.options, asked.name)


def _written(asked: RequestField, value: Any) -> str:
    if asked.name == "demonstrations":
        return write_chosen(value)
    if asked.kind is bool:
        return "yes" if value else "no"
    return ",".join(map(exact, value)) if asked.kind is tuple else str(value)


def _read(asked: RequestField, text: str) -> Any:
    """The value a link writes; the request checks it. Raises BadInput where the text is none of its kind."""
    try:
        if asked.names is STRATEGIES:
            return str(
                parse_spec(text)
            )  # a request takes any name: stored ones may be of strategies now gone
        if asked.kind is tuple:
            return tuple(float(part) for part in text.split(","))
        if asked.kind is bool:
            return {"yes": True, "no": False}[text]
        if asked.kind is not int:
            return text
        # Digits alone: int() reads more than a link writes, such as blanks, signs and 1_000.
        if text.isascii() and text.isdigit() and len(text) <= DIGITS:
            return int(text)
    except (ValueError, KeyError):
        pass
    raise asked.refusal(text)


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[-1] if value else None
    return value if isinstance(value, str) and value else None


def _read_set(text: str) -> tuple[tuple[Chosen, ...], list[str]]:
    """The demonstrations of a link that a prompt can hold, and the parts that cannot be read."""
    if text == "none":
        return (), []
    kept: dict[str, Chosen] = {}
    unread = []
    for part in text.split(","):
        try:
            chosen = next(iter(read_chosen(part)), Chosen("", math.nan))
        except BadInput:
            chosen = Chosen("", math.nan)
        sound = chosen.id and len(chosen.id) <= 64 and chosen.id not in kept
        if sound and len(kept) < MOST and 0 <= chosen.weight < math.inf:
            kept[chosen.id] = chosen
        else:
            unread.append(part)
    return tuple(kept.values()), unread
