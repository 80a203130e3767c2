"""Stage 1: which demonstrations, and in which order. A beam search over sets, by their effect on probes.

Pure: demonstrations are places 0 to n - 1 of a pool, and the utility of a set comes from a function. A set's
effects are conditional on what is in it, so that redundancy falls out by itself. A reconstruction of the
first stage of LRGD (arXiv 2504.04386).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.progress import counted

Set = tuple[int, ...]
Gains = NDArray[np.float64]

CAUTION = 1.0
"""Standard errors by which a set must be better than the one it replaces (the one-standard-error rule of
Breiman et al. 1984): a dozen probes tell small differences by chance, and the best of many by chance more so.
"""

MATTERS = 0.01
"""Below it a difference is none, in log-share or nats: no list changes for it."""


class Utility(Protocol):
    """The utility of sets on the probes that choose."""

    def gains(self, chosen: Set) -> Gains:
        """What a set adds to each probe's measure [P]; minus infinity where it does not fit."""
        ...

    def without(self, chosen: Set) -> NDArray[np.float64]:
        """Gains [k, P] of the set with one demonstration's weight at 0, for each in turn."""
        ...

    def robust(self, chosen: Set) -> float:
        """The robust effect: mean minus kappa standard deviations over perturbations of the set."""
        ...


@dataclass(frozen=True)
class Step:
    """A set that was taken, and why. `objective`: mean gain over the probes that choose, in the measure."""

    action: str
    chosen: Set
    objective: float
    note: str
    tried: int


@dataclass
class Search:
    """A search in progress: what was tried, and the steps taken.

    share [P]: what each probe counts, adding up to 1. size: at most so many demonstrations. allowed: whether
    a set keeps to the budget.
    """

    utility: Utility
    share: Gains
    size: int
    allowed: Callable[[Set], bool] = lambda _: True
    report: Callable[[Step], None] = lambda _: None
    steps: list[Step] = field(default_factory=list)
    _known: dict[Set, Gains] = field(default_factory=dict)

    def gains(self, chosen: Set) -> Gains:
        """Gains [P], computed once per set."""
        if chosen not in self._known:
            self._known[chosen] = self.utility.gains(chosen)
        return self._known[chosen]

    def mean(self, chosen: Set) -> float:
        """Mean gain over the probes."""
        return float(self.share @ self.gains(chosen))

    def took(self, action: str, chosen: Set, note: str) -> None:
        step = Step(action, chosen, self.mean(chosen), note, len(self._known))
        self.steps.append(step)
        self.report(step)

    def surer(self, new: Set, old: Set, caution: float = CAUTION) -> bool:
        """Whether `new` is better than `old` by more than `caution` standard errors of the difference."""
        if not np.isfinite(self.mean(new)):
            return False
        difference = self.gains(new) - self.gains(old)
        mean = float(self.share @ difference)
        error = float(np.sqrt(self.share**2 @ (difference - mean) ** 2))
        return mean > MATTERS and mean >= caution * error


def choose(
    search: Search, starts: dict[str, Set], base: str | None, order: Sequence[int], beam: int, tries: int
) -> Set:
    """The best set found, in prompt order (the last stands next to the query); () where nothing helps.

    starts: named sets to begin with. base: the one that is best for users as a whole, None for the empty set;
    another start, or the empty set, takes its place only where the probes reliably prefer it. order: the
    pool's places, most promising first. beam: sets that are pursued at once. tries: places that are tried at
    each step, the next ones once one of them is taken.
    """
    allowed = {name: chosen for name, chosen in starts.items() if chosen and search.allowed(chosen)}
    first = allowed.get(base or "", ())
    others = [chosen for chosen in dict.fromkeys([*allowed.values(), ()]) if search.surer(chosen, first)]
    best = _best(others, search.mean, beam) or [first]
    if best[0]:
        name = next(name for name, chosen in allowed.items() if chosen == best[0])
        why = "is the best" if best[0] != first else "helps other users most"
        search.took("start", best[0], f"Of {counted(len(allowed), 'starting set')}, that of {name} {why}.")
    for _ in range(2 * search.size):
        moves = {new: how for chosen in best for new, how in _moves(search, chosen, order, tries)}
        better = [new for new in moves if search.surer(new, best[0])]
        if not better:
            break
        top = max(better, key=search.mean)
        search.took(*moves[top])
        best = _best(dict.fromkeys([top, *best, *better]), search.mean, beam)
    return _sturdiest(search, best)


def _best(sets: Iterable[Set], mean: Callable[[Set], float], count: int) -> list[Set]:
    """The best so many sets; of equal ones the first."""
    return sorted(dict.fromkeys(sets), key=lambda chosen: -mean(chosen))[:count]


def _moves(
    search: Search, chosen: Set, order: Sequence[int], tries: int
) -> list[tuple[Set, tuple[str, Set, str]]]:
    """Sets one step away: one more, the least useful one left out or replaced, the most useful one last."""
    moves: dict[Set, tuple[str, Set, str]] = {}

    def offer(action: str, new: Set, note: str) -> None:
        if new != chosen and search.allowed(new):
            moves.setdefault(new, (action, new, note))

    fresh = [place for place in order if place not in chosen][:tries]
    if len(chosen) < search.size:
        for place in fresh:
            offer("add", (*chosen, place), "With one more demonstration the probes do better.")
    if not chosen:
        return list(moves.items())
    rest = search.utility.without(chosen) @ search.share  # [k]: gain of the set without each
    least, most = int(np.argmax(rest)), int(np.argmin(rest))
    left = chosen[:least] + chosen[least + 1 :]
    offer("drop", left, "Without this demonstration the probes do better.")
    for place in fresh:
        offer("swap", (*left, place), "Another demonstration replaces the one that helps least.")
    last = (*chosen[:most], *chosen[most + 1 :], chosen[most])
    offer("order", last, "The demonstration that helps most is moved next to the query.")
    return list(moves.items())


def _sturdiest(search: Search, sets: Sequence[Set]) -> Set:
    """The set of the largest robust effect, the first of equal ones."""
    if len(sets) == 1:
        return sets[0]
    robust = {chosen: search.utility.robust(chosen) if chosen else 0.0 for chosen in sets}
    top = max(robust, key=lambda chosen: robust[chosen])
    if top != sets[0]:
        search.took("swap", top, "This set has the best robust effect under perturbations.")
    return top
