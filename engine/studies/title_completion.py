"""Does a model complete titles of a catalogue from their first half? What is measured of one title.

A title is cut at the word nearest to its middle. The control of likelihood is the same second half behind
another title's first half, of those whose second half has as many tokens: over all titles that is the mean of
other titles' second halves, too, and what a half is worth by itself cancels for each title. What the
catalogue's other titles give away, by what follows what in them, is the control of exact completion. No
store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.data.draws import Part, weighted_order
from engine.prompts.segments import INTRO, clean

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.prompts import PieceEncoder

LEAD = "Titles:\n"
SHOWN = 8
"""Other titles that stand before the first half, a line each: how titles are written in this catalogue (a
year in brackets, an article at the end) is not what is to be measured."""

MOST = 20_000
"""Titles of the catalogue that are read for what they give away, at most."""

_ORDER = 3  # tokens that tell the next one, at most

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Halved:
    """A title's tokens: the first half and the second."""

    title: str
    begun: Ids
    rest: Ids


def halved(encoder: PieceEncoder, title: str) -> Halved | None:
    """The title cut between words; None where it has one word alone, or its tokens cannot be cut there."""
    words = clean(title).split()
    if len(words) < 2:
        return None
    whole = encoder.ids(f" {' '.join(words)}")
    begun = encoder.ids(f" {' '.join(words[: (len(words) + 1) // 2])}")
    if whole[: len(begun)] != begun or len(whole) == len(begun):
        return None
    return Halved(title, begun, whole[len(begun) :])


def drawn(
    encoder: PieceEncoder, titles: Sequence[str], counts: NDArray[np.integer], *parts: Part
) -> list[Halved]:
    """Different titles that can be cut, at most `MOST`, drawn from `parts` with a chance in proportion to how
    often they were bought (`counts`)."""
    order: list[int] = weighted_order(counts.astype(np.float64), "titles", *parts).tolist()
    found: list[Halved] = []
    for title in dict.fromkeys(clean(titles[place]) for place in order):
        if (one := halved(encoder, title)) is not None:
            found.append(one)
        if len(found) == MOST:
            break
    return found


def partners(titles: Sequence[Halved]) -> list[Halved | None]:
    """For each title the next one in the circle of those whose second half has as many tokens, both halves
    being others: nearly every half is used once with its own and once with another one. None: there is none.
    """
    classes: dict[int, list[int]] = {}
    for place, one in enumerate(titles):
        classes.setdefault(len(one.rest), []).append(place)
    found: list[Halved | None] = [None] * len(titles)
    for places in classes.values():
        for n, place in enumerate(places):
            circle = (titles[other] for other in (*places[n + 1 :], *places[:n]))
            own = titles[place]
            found[place] = next(
                (other for other in circle if other.rest != own.rest and other.begun != own.begun), None
            )
    return found


class Guesser:
    """What a title's other half would be by the catalogue's other titles: the token that most often follows
    the last three, or two, or one. A counter of other titles, not a model."""

    def __init__(self, titles: Iterable[Halved]) -> None:
        self._next: dict[Ids, Counter[int]] = {}
        for one in titles:
            for context, token in _pairs((*one.begun, *one.rest)):
                self._next.setdefault(context, Counter())[token] += 1

    def completes(self, one: Halved) -> bool:
        """Whether the other titles give this one's second half away."""
        own = Counter(_pairs((*one.begun, *one.rest)))
        written = list(one.begun)
        for token in one.rest:
            if self._likeliest(written, own) != token:
                return False
            written.append(token)
        return True

    def _likeliest(self, written: Sequence[int], own: Counter[tuple[Ids, int]]) -> int | None:
        for order in range(min(_ORDER, len(written)), 0, -1):
            context = tuple(written[-order:])
            left = {
                token: count - own[context, token]
                for token, count in self._next.get(context, {}).items()
                if count > own[context, token]
            }
            if left:
                return max(left, key=lambda token: (left[token], -token))
        return None


def _pairs(ids: Ids) -> Iterable[tuple[Ids, int]]:
    for place in range(1, len(ids)):
        for order in range(1, min(_ORDER, place) + 1):
            yield ids[place - order : place], ids[place]


def lead(encoder: PieceEncoder, shown: Sequence[Halved]) -> Ids:
    """What stands before a first half: other titles, and the beginning of one more line."""
    lines = (piece for one in shown for piece in ("-", f" {one.title}\n"))
    return encoder.joined((INTRO + LEAD, *lines, "-"))


def measured(
    loaded: LoadedModel, before: Ids, pairs: Sequence[tuple[Halved, Halved | None]], guesser: Guesser
) -> list[dict[str, Any]]:
    """Of each title with its partner `{own, other, completed, guessed}`: log-likelihood per token (nats) of
    its second half behind its own first half and behind the partner's (None: no partner), and whether the
    model and the other titles complete it exactly. before: `lead`."""
    from engine.llm.scoring.continuations import continuations

    lines = [(one.begun, one.rest) for one, _ in pairs]
    lines += [(other.begun, one.rest) for one, other in pairs if other is not None]
    told = continuations(loaded, before, lines)
    others = iter(told[len(pairs) :])
    return [
        {
            "own": told[n].logprob / len(one.rest),
            "other": None if other is None else next(others).logprob / len(one.rest),
            "completed": told[n].greedy,
            "guessed": guesser.completes(one),
        }
        for n, (one, other) in enumerate(pairs)
    ]
