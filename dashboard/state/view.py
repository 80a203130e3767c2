"""What the Recommend page shows, as one value: written to the address bar and read back from it.

Boundary: no Streamlit here. A `View` is everything a link must carry to reopen the page as it was; whatever
in a link cannot be read is replaced by the default and said, never an error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.choices import CANDIDATE_KINDS, HISTORY_WAYS, SCORINGS, TARGETS
from db.requests import Chosen, RunRequest
from db.requests.run import FORWARD_MOST

MOST_DEMONSTRATIONS = 24
MOST_PROMPTS = 16
WEIGHT_MOST = 3.0
CANDIDATE_COUNTS = (20, 50, 100)


@dataclass(frozen=True)
class View:
    """The pickers, the options and the desk. `chosen` None: the strategy `demos` fills the desk.

    `prompts` and `prescore` count only then: what is chosen by hand stands in one prompt, and is chosen.
    """

    dataset: str | None = None
    user: str | None = None
    model: str | None = None
    demos: str = "neighbours:4"
    chosen: tuple[Chosen, ...] | None = None
    candidates: int = 20
    kind: str = "random"
    seed: int = 0
    scoring: str = "auto"
    history: int = 10
    target: str = "test"
    history_by: str = "recent"
    prompts: int = 1
    hint: str | None = None
    embedding: str | None = None
    perturb: str | None = None
    prescore: str | None = None
    forward: int = 0

    def request(self) -> RunRequest | None:
        """The run this view asks for; None while data set, user or model is missing."""
        if self.dataset is None or self.user is None or self.model is None:
            return None
        return RunRequest(
            dataset=self.dataset,
            user=self.user,
            model=self.model,
            demos=self.demos,
            demonstrations=self.chosen,
            candidates=self.candidates,
            candidate_kind=self.kind,
            seed=self.seed,
            scoring=self.scoring,
            history=self.history,
            target=self.target,
            history_by=self.history_by,
            prompts=self.prompts if self.chosen is None else 1,
            hint=self.hint,
            embedding=self.embedding,
            perturb=self.perturb,
            prescore=self.prescore if self.chosen is None else None,
            forward=self.forward,
        )


def from_request(request: RunRequest) -> View:
    """The view that shows a stored run."""
    return View(
        dataset=request.dataset,
        user=request.user,
        model=request.model,
        demos=request.demos,
        chosen=request.demonstrations,
        candidates=request.candidates,
        kind=request.candidate_kind,
        seed=request.seed,
        scoring=request.scoring,
        history=request.history,
        target=request.target,
        history_by=request.history_by,
        prompts=request.prompts,
        hint=request.hint,
        embedding=request.embedding,
        perturb=request.perturb,
        prescore=request.prescore,
        forward=request.forward,
    )


# Parameters in the order of the address bar; only the first three are there even at their default.
_ALWAYS = ("data", "user", "model")
_PLAIN = (("demos", "demos"), ("n", "candidates"), ("kind", "kind"), ("seed", "seed"))
_MORE = (
    ("scoring", "scoring"),
    ("history", "history"),
    ("by", "history_by"),
    ("prompts", "prompts"),
    ("target", "target"),
    ("forward", "forward"),
)
_TEXTS = ("hint", "embedding", "perturb", "prescore")  # checked with the request


def to_params(view: View) -> dict[str, str]:
    """The address-bar parameters of a view."""
    default = View()
    params = {"data": view.dataset, "user": view.user, "model": view.model}
    result = {name: str(params[name]) for name in _ALWAYS if params[name]}
    for name, field in (*_PLAIN, *_MORE, *((name, name) for name in _TEXTS)):
        value = getattr(view, field)
        if value != getattr(default, field):
            result[name] = str(value)
    if view.chosen is not None:
        result.pop("demos", None)
        result["set"] = ",".join(f"{chosen.id}*{chosen.weight:g}" for chosen in view.chosen) or "none"
    return result


def from_params(params: Mapping[str, Any]) -> tuple[View, list[str]]:
    """The view a link asks for, and one sentence for each part of it that could not be read."""
    view, notes = View(), []
    names = {name: _text(params.get(name)) for name in _ALWAYS}
    view = replace(view, dataset=names["data"], user=names["user"], model=names["model"])
    for name, field, allowed in (
        ("kind", "kind", CANDIDATE_KINDS),
        ("scoring", "scoring", SCORINGS),
        ("target", "target", TARGETS),
        ("by", "history_by", HISTORY_WAYS),
    ):
        value = _text(params.get(name))
        if value in allowed:
            view = replace(view, **{field: value})
        elif value is not None:
            notes.append(_unread(name, value, getattr(view, field)))
    for name, field, low, high in (
        ("n", "candidates", 2, 1000),
        ("seed", "seed", 0, 2**31 - 1),
        ("history", "history", 1, 50),
        ("prompts", "prompts", 1, MOST_PROMPTS),
        ("forward", "forward", 0, FORWARD_MOST),
    ):
        value = _text(params.get(name))
        if value is None:
            continue
        if value.isascii() and value.isdigit() and low <= int(value[:12]) <= high:
            view = replace(view, **{field: int(value)})
        else:
            notes.append(_unread(name, value, getattr(view, field)))
    view = replace(view, **{name: _text(params.get(name)) for name in _TEXTS})
    if demos := _text(params.get("demos")):
        view = replace(view, demos=demos)
    if (text := _text(params.get("set"))) is not None:
        chosen, bad = _read_set(text)
        view = replace(view, chosen=chosen)
        notes.extend(f"The link's demonstration {part!r} cannot be read; it was left out." for part in bad)
    return view, notes


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[-1] if value else None
    return value if isinstance(value, str) and value else None


def _unread(name: str, value: str, default: object) -> str:
    return f"The link's {name}={value[:40]!r} cannot be used here; {default} is shown instead."


def _read_set(text: str) -> tuple[tuple[Chosen, ...], list[str]]:
    """`id*weight,id*weight` (weight 1 when left out), or `none`."""
    if text == "none":
        return (), []
    chosen: dict[str, Chosen] = {}
    bad = []
    for part in text.split(","):
        name, _, weight = part.partition("*")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            value = math.nan
        sound = name and len(name) <= 64 and name not in chosen and len(chosen) < MOST_DEMONSTRATIONS
        if sound and math.isfinite(value) and 0 <= value <= WEIGHT_MOST:
            chosen[name] = Chosen(name, round(value, 2))
        else:
            bad.append(part[:40])
    return tuple(chosen.values()), bad
