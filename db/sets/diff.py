"""How two sets differ: which demonstrations only one of them has, which stand elsewhere, which weigh more."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.sets.records import Member


@dataclass(frozen=True)
class Difference:
    """Of two sets `one` and `other`, by ids of demonstrations.

    `only_one`, `only_other`: in the set's order. `moved`: (id, place in one, place in other), counted from 1
    among the demonstrations that both have. `weighted`: (id, weight in one, weight in other). `locked`: ids
    that are locked in one of them alone.
    """

    only_one: tuple[str, ...]
    only_other: tuple[str, ...]
    moved: tuple[tuple[str, int, int], ...]
    weighted: tuple[tuple[str, float, float], ...]
    locked: tuple[str, ...]

    @property
    def same_numbers(self) -> bool:
        """Whether a model is shown the same: locks are for people."""
        return not (self.only_one or self.only_other or self.moved or self.weighted)


def diff(one: Sequence[Member], other: Sequence[Member]) -> Difference:
    """What has to be changed to make `other` of `one`."""
    mine, theirs = ({member.id: member for member in some} for some in (one, other))
    both = [name for name in mine if name in theirs]
    places = {name: place for place, name in enumerate((name for name in theirs if name in mine), 1)}
    return Difference(
        only_one=tuple(name for name in mine if name not in theirs),
        only_other=tuple(name for name in theirs if name not in mine),
        moved=tuple(
            (name, place, places[name]) for place, name in enumerate(both, 1) if place != places[name]
        ),
        weighted=tuple(
            (name, mine[name].weight, theirs[name].weight)
            for name in both
            if mine[name].weight != theirs[name].weight
        ),
        locked=tuple(name for name in both if mine[name].locked != theirs[name].locked),
    )
