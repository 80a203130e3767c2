"""The scale of a data set's ratings: its range, from where one counts as liked and below where as disliked.

Boundary: numbers alone. `engine.data.ratings` reads ratings as people write them and finds their scale; the
scale is kept in the data set's import report, and everything that asks whether something was liked asks it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from db.errors import BadInput

LIKED_SHARE = 0.75  # of the range: 4 of 1 to 5, 8 of 1 to 10, 75 of 100
DISLIKED_SHARE = 0.5  # below the middle: under 3 of 1 to 5


@dataclass(frozen=True)
class Scale:
    """Ratings from `low` to `high`. At least `liked` is a liking, less than `disliked` a dislike.

    `counts`: the numbers count something, such as plays, so that every one of them is a liking.
    """

    low: float
    high: float
    liked: float
    disliked: float
    counts: bool = False

    def likes(self, rating: float | None) -> bool:
        """Whether a rating says that the item was liked; without one, to have bought it says so."""
        return rating is None or math.isnan(rating) or rating >= self.liked

    def dislikes(self, rating: float | None) -> bool:
        """Whether a rating says that the item was disliked."""
        return rating is not None and rating < self.disliked

    @property
    def stars(self) -> bool:
        """Whether a rating can be shown as up to five stars."""
        return self.high == 5 and self.low >= 0

    @property
    def spelling(self) -> str:
        """As `--rating-scale` takes it."""
        return (
            "counts"
            if self.counts
            else ":".join(f"{v:g}" for v in (self.low, self.high, self.liked, self.disliked))
        )

    @property
    def words(self) -> str:
        """One sentence for people."""
        if self.counts:
            return f"Ratings are counts ({self.low:g} to {self.high:g}): each says liked, none disliked."
        if self.low == self.high:
            return f"Every rating is {self.low:g}: each says liked, none disliked."
        return (
            f"Ratings go from {self.low:g} to {self.high:g}: from {self.liked:g} on liked, "
            f"below {self.disliked:g} disliked."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dict of every field."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any] | None) -> Scale:
        """The stored scale; `FIVE_STARS`, which held for every data set before scales were kept, for none."""
        return Scale(**data) if data else FIVE_STARS


FIVE_STARS = Scale(1, 5, 4, 3)


def between(low: float, high: float, step: float = 0.0) -> Scale:
    """The scale of a range with the usual thresholds, rounded up to its `step` (0: none)."""
    if high == 5 and low >= 0:
        return Scale(low, high, FIVE_STARS.liked, FIVE_STARS.disliked)

    def at(share: float) -> float:
        value = low + share * (high - low)
        return low + math.ceil((value - low) / step - 1e-9) * step if step else value

    return Scale(low, high, at(LIKED_SHARE), at(DISLIKED_SHARE))


def parse(text: str) -> Scale:
    """The scale that a person wrote: LOW:HIGH, LOW:HIGH:LIKED, LOW:HIGH:LIKED:DISLIKED or `counts`.

    Raises BadInput.
    """
    if text.strip().lower() == "counts":
        return Scale(0, math.inf, 0, 0, counts=True)
    try:
        low, high, *thresholds = map(float, text.split(":"))
    except ValueError:
        low, high, thresholds = math.nan, math.nan, []
    if not -1e9 < low < high < 1e9 or len(thresholds) > 2 or not all(low <= t <= high for t in thresholds):
        raise BadInput(
            "rating_scale is LOW:HIGH, such as 1:10, with LIKED and DISLIKED where they are not the usual "
            f"ones, such as 1:10:7:4, or counts; not {text!r}."
        )
    usual = between(low, high, 1.0 if low.is_integer() and high.is_integer() and high - low <= 100 else 0.0)
    liked = thresholds[0] if thresholds else usual.liked
    disliked = thresholds[1] if len(thresholds) == 2 else min(usual.disliked, liked)
    if disliked > liked:
        raise BadInput(f"rating_scale {text!r}: what is disliked ends above where liked begins.")
    return Scale(low, high, liked, disliked)
