"""Stored runs that show in a minute what demonstrations do: found by their numbers, not known by name.

Boundary: reads runs and their effects. What the guided start says is made from what is found here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db import runs
from db.comparable import lists_obstacle
from db.demonstrations import ANSWER, shows
from db.effect_results import sign
from db.runs import Filter, Run
from db.store import Store

TAG = "guided start"
"""Of the runs that the set-up stores for it: they are looked through first."""
STORED = 2  # runs of one set-up have the tag
MODE, MEASURE = "direct", "margin"  # what turning a demonstration off by its weight is measured by
_LOOKED_THROUGH = 40
_OTHERS = 60  # runs of the same user


@dataclass(frozen=True)
class Guided:
    """A run with a demonstration that surely helps. `good`, `misleading`: places in the prompt from 0, None
    where none surely misleads. `off`: the same run without the good one, in which the target stands lower."""

    run: Run
    effects: Mapping[str, Any]
    good: int
    misleading: int | None
    off: Run

    @property
    def counted(self) -> tuple[int, int]:
        """The copy control: how many candidates are above the target and how many level with it, if each
        counts only how often it is the answer of a demonstration. No model is asked."""
        answers = [view["answer"] for view in self.run.result["demonstrations"]]
        counts = {item["item"]: _times(item, answers) for item in self.run.result["items"]}
        own = counts[self.run.result["target"]["item"]]
        others = [count for item, count in counts.items() if item != self.run.result["target"]["item"]]
        return sum(count > own for count in others), sum(count == own for count in others)


def find(store: Store) -> Guided | None:
    """The first that shows a good and a misleading demonstration, else one that shows a good one; None where
    no stored run can. Looks through the tagged runs, then the newest."""
    tagged = runs.listing(store, Filter(tag=TAG), _LOOKED_THROUGH)
    newest = runs.listing(store, Filter(with_demonstrations=True), _LOOKED_THROUGH)
    second = None
    for key in dict.fromkeys(summary.key for summary in [*tagged, *newest]):
        found = _of(store, key)
        if found is not None and found.misleading is not None:
            return found
        second = second or found
    return second


def _of(store: Store, key: str) -> Guided | None:
    measured = runs.shown_effects(store, key, MODE, MEASURE)
    run = runs.by_key(store, key) if measured else None
    if run is None or measured is None:
        return None
    places = {view["id"]: place for place, view in enumerate(run.result["demonstrations"])}
    rows = [row for row in measured.result["demonstrations"] if row["id"] in places]
    helping = [row for row in rows if sign(row) > 0]
    hurting = [row for row in rows if sign(row) < 0]
    if not helping:
        return None
    good = places[max(helping, key=lambda row: row["effect"])["id"]]
    worst = min(hurting, key=lambda row: row["effect"])["id"] if hurting else None
    off = _without(store, run, good)
    misleading = None if worst is None else places[worst]
    return None if off is None else Guided(run, measured.result, good, misleading, off)


def _without(store: Store, run: Run, place: int) -> Run | None:
    """The run in which this demonstration alone has weight 0 and the target stands lower."""
    wanted = _weights(run, place)
    same = Filter(dataset=run.request.dataset, user=run.request.user, model=run.request.model)
    for summary in runs.listing(store, same, _OTHERS):
        other = runs.by_key(store, summary.key) if summary.key != run.key else None
        if other is None or _weights(other) != wanted or lists_obstacle(run, other) is not None:
            continue
        if other.result["metrics"]["rank"] > run.result["metrics"]["rank"]:
            return other
    return None


def _weights(run: Run, off: int | None = None) -> list[tuple[str, float]]:
    """Every demonstration with its weight, in order; one of them turned off."""
    views = run.result["demonstrations"]
    return [(view["id"], 0.0 if at == off else view["weight"]) for at, view in enumerate(views)]


def _times(item: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> int:
    """How many of the answers are this item."""
    own = item["item"], item["title"]
    return sum(shows([], (each["item"], each["title"]), own) == ANSWER for each in answers)
