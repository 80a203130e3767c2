"""Ratings as people write them, and the scale that a column of them has.

Boundary: values and columns of ratings; what a scale means is `db.ratings`. Numbers, also with a decimal
comma, `4/5`, `4 out of 5 stars`, `80%`, stars as signs, and words such as like and dislike (1 and 0).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.errors import DataError
from db.ratings import Scale, between, parse
from engine.data.column_names import words
from engine.data.report import Report
from engine.data.values import is_empty, number

_GOOD = words("like liked likes love loved true yes y t good positive pos up upvote recommended recommend 👍")
_BAD = words("dislike disliked dislikes hate hated false no n f bad negative neg down downvote 👎")
WORDS: dict[str, float] = dict.fromkeys(_GOOD, 1.0) | dict.fromkeys(_BAD, 0.0)
WORDS |= {"thumbs up": 1.0, "thumbs down": 0.0, "not recommended": 0.0, "not liked": 0.0}
UNCLEAR = frozenset(words("true yes y t false no n f up down"))
"""Those of them that answer any question."""

WORD = 1  # what words are out of
REMEMBERED = 100_000  # different spellings
SKEWED = 0.1  # of the largest: counts have a smaller median than that, marks out of 100 do not

_NUMBER = r"(-?\d+(?:[.,]\d+)?)"
_OUT_OF = re.compile(rf"^{_NUMBER}\s*(?:/|of|out of)\s*(\d{{1,4}})\s*(?:stars?|points?)?$", re.I)
_STARS = re.compile(rf"^{_NUMBER}[\s-]*(?:stars?|\*|★)$", re.I)
_SIGNS = re.compile(r"^(★*)(½|⯨)?(☆*)$")
_PERCENT = re.compile(rf"^{_NUMBER}\s*%$")


def rating(value: Any) -> tuple[float, int]:
    """A rating as a number, and out of how many it is (0: not said); raises ValueError or TypeError."""
    if not isinstance(value, str):
        return float(value), 0
    text = value.strip()
    try:
        return number(text), 0
    except ValueError:
        pass
    said = text.lower()
    if said in WORDS:
        return WORDS[said], WORD
    for pattern, most in ((_OUT_OF, 0), (_STARS, 5), (_PERCENT, 100)):
        if found := pattern.match(text):
            return number(found[1]), most or int(found[2])
    signs = _SIGNS.match(text)
    if signs and text:
        marks = len(signs[1]) + 0.5 * bool(signs[2])
        return marks, max(5, len(signs[1]) + bool(signs[2]) + len(signs[3]))
    raise ValueError(f"not a rating: {text[:40]!r}")


def is_rating(value: Any) -> bool:
    """True for what `rating` understands."""
    try:
        return math.isfinite(rating(value)[0])
    except (ValueError, TypeError, OverflowError):
        return False


@dataclass
class Marks:
    """Reads a column's ratings and remembers out of how many they are; words and numbers do not mix."""

    most: Counter[int] = field(default_factory=Counter)
    words: bool | None = None  # whether this column says words; set by its first rating
    known: dict[Any, float] = field(default_factory=dict)

    def __call__(self, value: Any) -> float:
        """The rating as a number, NaN for none; raises ValueError or TypeError."""
        try:
            return self.known[value]
        except KeyError:
            pass
        if is_empty(value):
            return math.nan
        mark, most = rating(value)
        if not abs(mark) < 1e30:
            raise ValueError("rating out of range")
        word = most == WORD
        if self.words is None:
            self.words = word
        if word != self.words:
            raise ValueError("a word among numbers, or a number among words")
        if most:
            self.most[most] += 1
        if len(self.known) < REMEMBERED:
            self.known[value] = mark
        return mark


def scale_of(ratings: np.ndarray, marks: Marks, said: str | None, report: Report, place: Any) -> Scale | None:
    """The scale of ratings float32[n], which a person may have `said`; None where nobody rated.

    Zeros and -1 that say "not rated" become NaN in place and are counted as repaired; `place(row)`: file
    and line of a row. Raises DataError where the ratings do not fit what was said, BadInput where it is no
    scale.
    """
    present = ratings[~np.isnan(ratings)]
    if not len(present):
        return None
    if said:
        return _checked(parse(said), present)
    low, high = float(present.min()), float(present.max())
    most = max(marks.most, default=0)
    if most and high <= most:
        bottom = 0.0 if most in (WORD, 100) else 1.0
        return between(min(low, bottom), most, _step(present))
    none = _says_none(present)
    if none is not None:
        those = np.flatnonzero(ratings == none)
        file, line = place(int(those[0]))
        report.repair(f"rating {none} read as not rated", file, line, "stars begin at 1", len(those))
        report.note(
            f"{len(those):,} ratings of {none} say that there is none; "
            f"--rating-scale {none}:{high:g} keeps them."
        )
        ratings[those] = np.nan
        present = present[present != none]
        low = float(present.min())
    return _seen(present, low, high)


def _checked(scale: Scale, present: np.ndarray) -> Scale:
    low, high = float(present.min()), float(present.max())
    if scale.counts:
        return Scale(low, high, low, low, counts=True)
    if low < scale.low or high > scale.high:
        raise DataError(
            f"The ratings go from {low:g} to {high:g}, which rating_scale {scale.low:g}:{scale.high:g} does "
            "not hold. Nothing was imported."
        )
    return scale


def _says_none(present: np.ndarray) -> int | None:
    """The mark that says "not rated": 0 beside whole stars that are seen in full, or -1 beside any stars."""
    seen = set(np.unique(present[:1_000_000]).tolist())
    if any(seen == {0.0, *map(float, range(1, most + 1))} for most in (5, 10)):
        return 0
    stars = seen - {-1.0}
    return -1 if stars < seen and len(stars) > 1 and min(stars) >= 1 and 3 <= max(stars) <= 10 else None


def _step(values: np.ndarray) -> float:
    """The step that all values are in: 1, a half, a tenth, or 0 for none."""
    some = values[:1_000_000].astype(np.float64)
    return next((s for s in (1.0, 0.5, 0.1) if np.allclose(some / s, np.round(some / s), atol=1e-4)), 0.0)


def _seen(values: np.ndarray, low: float, high: float) -> Scale:
    """The scale of values between `low` and `high`: the usual one that holds them, or their own range."""
    step = _step(values)
    if low == high:
        return Scale(low, high, low, low)
    if low >= 0 and (high > 100 or (high > 10 and step == 1 and np.median(values) < SKEWED * high)):
        return Scale(low, high, low, low, counts=True)
    if low < 0:
        most = max(-low, high)
        return between(-most, most, step if step == 1 else 0.0)
    for bottom, top in ((0, 1), (1, 5), (1, 10), (0, 20), (0, 100)):
        if high <= top and (high > 10 or high >= 0.8 * top or top == 1):
            return between(min(low, bottom) if low < bottom else bottom, top, step)
    return between(low, high, step)
