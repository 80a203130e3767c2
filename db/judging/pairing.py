"""From stored runs to the pairs of a comparison: what of them is kept, and which cannot be judged.

A pair keeps what is shown and what it is later held against, so that a comparison outlives its runs. What
would tell one list from the other is taken off: both are cut to the same length, and scores, ranks of the
target and names of settings are not among what judges are shown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from db import runs
from db.comparable import lists_obstacle
from db.errors import BadInput
from db.judging.choosing import WITH, Side, Two, history_of, labels
from db.runs import Run
from db.store import Store

MOST = 200
"""Pairs of a comparison, at most."""
LENGTH = 10
"""Titles shown of each list, if nobody says otherwise."""
LONGEST = 20
_HISTORY = 50  # titles kept of a history, the newest


@dataclass(frozen=True)
class Listed:
    """A list as it is shown, and what is known of it. `items`: (id, title), best first. `effect`: what its
    demonstrations add to the log of the target's share; 0 without any, None where it is not known."""

    run: str
    part: str
    items: tuple[tuple[str, str], ...]
    ndcg10: float | None
    effect: float | None
    demonstrations: int

    @property
    def titles(self) -> tuple[str, ...]:
        """What people see, best first."""
        return tuple(title for _, title in self.items)


@dataclass(frozen=True)
class Pair:
    """Two lists for one history, A and B. `history`: titles, the oldest first; `target`: a title."""

    number: int
    dataset: str
    user: str
    target: str
    history: tuple[str, ...]
    lists: tuple[Listed, Listed]


@dataclass(frozen=True)
class Made:
    """The pairs of a comparison to be, the names of A and B, titles shown of each list, and how many pairs
    were left out, by reason."""

    pairs: tuple[Pair, ...]
    labels: tuple[str, str]
    length: int
    left_out: dict[str, int] = field(default_factory=dict)


def make(store: Store, wanted: Sequence[Two], length: int = LENGTH) -> Made:
    """Read the runs of these pairs and keep what is shown of `length` titles at most.

    Raises BadInput where nothing is left to judge, NotFound for a run that is not there.
    """
    if not 1 <= length <= LONGEST:
        raise BadInput(f"Titles of each list: from 1 to {LONGEST}, not {length}. Nothing was created.")
    if len(wanted) > MOST:
        raise BadInput(f"A comparison has at most {MOST} pairs, not {len(wanted)}. Nothing was created.")
    kept: list[Pair] = []
    used: list[tuple[tuple[Side, Run], ...]] = []
    left_out: Counter[str] = Counter()
    for two in wanted:
        both = tuple((side, runs.get(store, side.run)) for side in two)
        pair = _pair(store, len(kept), both, length)
        if why := _obstacle(both, pair, used):
            left_out[why] += 1
            continue
        kept.append(pair)
        used.append(both)
    if not kept:
        reasons = " ".join(left_out) or "No stored runs were named."
        raise BadInput(f"There is no pair to judge. {reasons} Nothing was created.")
    a, b = ([(run.request, side.part) for side, run in column] for column in zip(*used, strict=True))
    return Made(tuple(kept), labels(a, b), length, dict(left_out))


def _obstacle(
    both: Sequence[tuple[Side, Run]], pair: Pair, used: Sequence[Sequence[tuple[Side, Run]]]
) -> str | None:
    """Why a pair cannot be judged, in a sentence; None where it can."""
    (_, a), (_, b) = both
    if why := lists_obstacle(a, b):
        return why
    if any(history_of(first) == history_of(a) for (_, first), _ in used):
        return "A history is judged once in a comparison."
    if pair.lists[0].titles == pair.lists[1].titles:
        return "Both lists show the same titles in the same order."
    return None


def _pair(store: Store, number: int, both: Sequence[tuple[Side, Run]], length: int) -> Pair:
    lists = [_listed(store, run, side.part) for side, run in both]
    length = min(length, *(len(listed.items) for listed in lists))  # a longer one would be known by it
    a, b = (replace(listed, items=listed.items[:length]) for listed in lists)
    # A prompt may hold less of the history than the other's: people see the most that either holds.
    past = max((run.result["history"] for _, run in both), key=len)
    titles = tuple(entry["title"] for entry in past[-_HISTORY:])
    first = both[0][1]
    return Pair(number, first.request.dataset, first.user_id, first.result["target"]["title"], titles, (a, b))


def _listed(store: Store, run: Run, part: str) -> Listed:
    result = run.result
    metrics = result["metrics"] if part == WITH else result["metrics"].get("zero_shot") or {}
    shown = result["demonstrations"] if part == WITH else ()
    items = tuple((row["item"], row["title"]) for row in result[part])
    effect = _effect(store, run) if shown else 0.0
    return Listed(run.key, part, items, metrics.get("ndcg10"), effect, len(shown))


def _effect(store: Store, run: Run) -> float | None:
    """What a run's demonstrations add to the log of the target's share, as its two lists say it, else as it
    was measured."""
    margins: tuple[Any, Any] = (run.result.get("margin_zero_shot"), run.result.get("margin"))
    if None not in margins:
        return margins[1] - margins[0]
    measured = runs.shown_effects(store, run.key, "direct", "margin")
    return None if measured is None else measured.result["effect_total"]
