"""Placebo: the windows of another strategy with their answers permuted among them.

The control for learning: the prompt keeps its format, its titles and its length, but no answer follows its
own history (after the random labels of arXiv 2202.12837). Windows that share one answer keep it where there
are too few other answers to go round; `measured` counts them.
"""

from collections.abc import Sequence
from itertools import groupby

from db.datasets import DatasetInfo
from db.store import Store
from engine.data.draws import Part, shuffled
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.demos.sources import aggregated
from engine.demos.windows import Offer, Window, shared_part

SOURCE = "placebo"


def derive(
    store: Store,
    dataset: DatasetInfo,
    query: Query,
    offers: Sequence[Offer],
    seed: int,
    reader: Reader | None = None,
) -> list[Offer]:
    """These windows in their order, each with another one's answer; similarity = shared part of its items."""
    parts = (SOURCE, dataset.origin, query.user, query.target_position, seed)
    answers = permuted([offer.window.answer.item for offer in offers], *parts)
    return [_swapped(query, offer, offers[other]) for offer, other in zip(offers, answers, strict=True)]


def permuted(items: Sequence[int], *parts: Part) -> list[int]:
    """For each place the place whose item it gets: no place gets an equal item, where that can be.

    Equal items stand together in an order drawn from `parts`, and all move on by as many places as the most
    frequent item has. Where that one fills more than half of the places, as many as possible change.
    """
    drawn = shuffled(len(items), *parts).tolist()
    first = {item: rank for rank, item in reversed(list(enumerate(items[place] for place in drawn)))}
    order = sorted(drawn, key=lambda place: first[items[place]])
    most = max((len(list(group)) for _, group in groupby(order, key=lambda place: items[place])), default=0)
    gets = {place: order[(rank + most) % len(order)] for rank, place in enumerate(order)}
    return [gets[place] for place in range(len(items))]


def joined(windows: Sequence[Window]) -> Window:
    """The history of the first windows (merged, where there are several) with the answer of the last one."""
    *shown, answered = windows
    whole = shown[0] if len(shown) == 1 else aggregated.merge(shown)
    return Window(whole.user, whole.history, answered.answer, tuple(windows))


def measured(of: Sequence[PoolEntry], derived: Sequence[PoolEntry], reader: Reader) -> dict[str, float]:
    """`{windows, kept}`: how many there are, and how many of them keep an answer equal to their own."""
    pairs = zip(of, derived, strict=True)
    return {
        "windows": len(derived),
        "kept": sum(one.answer.item == other.answer.item for one, other in pairs),
    }


def said(measures: dict[str, float]) -> str:
    """The same in a sentence, of one prompt or of the sums over many."""
    kept, windows = measures["kept"], measures["windows"]
    if not kept:
        return "Placebo: every window has the answer of another one."
    said = f"Placebo: {kept:g} of {windows:g} windows keep an answer equal to their own"
    return f"{said}, for want of other answers."


def _swapped(query: Query, offer: Offer, other: Offer) -> Offer:
    if offer.window.answer.item == other.window.answer.item:
        return offer
    answered = other.window
    if answered.parts:
        answered = next(part for part in answered.parts if part.answer == answered.answer)
    window = joined([*(offer.window.parts or (offer.window,)), answered])
    return Offer(SOURCE, window, shared_part(query, window))
