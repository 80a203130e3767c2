"""What the first ten of a list are worth beyond the target: how popular they are, how alike, and how much of
the catalogue they reach over all users.

The words of two titles, with the category as one more, are compared by Jaccard's index. That takes no model
(none of the rows is judged by its own vectors), exists for every data set with titles, and a person can check
it by reading the list.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from engine.data import similar_titles
from engine.studies.experiments.cells import Cell, Cells

PerUser = NDArray[np.float64]
"""A value [draws, users]; NaN where a user's list has no such thing."""


@dataclass(frozen=True)
class Catalogue:
    """What is known of items, by id. `size`: items in all; the rest may hold only those that lists show.

    percentile: share of the catalogue that was bought less often, ties half (0 to 1, mean .5). words: of the
    title, and the category.
    """

    size: int
    percentile: Mapping[str, float]
    words: Mapping[str, frozenset[str]]


def catalogue(
    ids: Sequence[str],
    titles: Sequence[str],
    counts: Sequence[int] | NDArray[np.integer],
    categories: Sequence[str | None] | None = None,
    only: Container[str] | None = None,
) -> Catalogue:
    """The catalogue of these items, in one order; counts: how often each was bought. `only`: ids to keep."""
    from scipy.stats import rankdata  # half a second, which commands without statistics should not pay

    shares = (rankdata(counts) - 0.5) / max(1, len(ids))
    kept = [place for place, item in enumerate(ids) if only is None or item in only]
    categories = categories or [None] * len(ids)
    return Catalogue(
        len(ids),
        {ids[place]: float(shares[place]) for place in kept},
        {ids[place]: _words(titles[place], categories[place]) for place in kept},
    )


def listed(cells: Cells) -> set[str]:
    """Ids of every item in somebody's first ten."""
    users = (draws for row in cells.rows for draws in cells.at[row.key])
    return {item for draws in users for cell in draws for item in cell.top}


def popularity(cells: Cells, row: str, known: Catalogue) -> PerUser:
    """Mean popularity percentile of each list [draws, users]: .5 is the catalogue's mean, 1 its best-seller.

    Items that are not of the catalogue do not count.
    """

    def of(cell: Cell) -> float:
        shares = [known.percentile[item] for item in cell.top if item in known.percentile]
        return float(np.mean(shares)) if shares else np.nan

    return np.array([[of(cell) for cell in draws] for draws in cells.at[row]]).T


def coverage(cells: Cells, row: str, known: Catalogue) -> float | None:
    """Share of the catalogue that is in the list of at least one user, averaged over draws: a further draw
    adds no coverage. None of an empty catalogue.

    It grows with the number of users and cannot exceed what their candidate lists offer.
    """
    if not known.size:
        return None
    draws = zip(*cells.at[row], strict=True)
    reached = [{item for cell in users for item in cell.top if item in known.percentile} for users in draws]
    return float(np.mean([len(items) / known.size for items in reached]))


def diversity(cells: Cells, known: Catalogue) -> dict[str, PerUser]:
    """Of each row, 1 - the mean Jaccard index of all pairs of a list's items [draws, users]: 0 where all are
    described alike, 1 where no two share a word. NaN of lists with fewer than two described items."""
    found: dict[str, list[list[float]]] = {row.key: [] for row in cells.rows}
    for user in range(len(cells.users)):

        @cache  # the rows of one user rank the same candidates: most pairs come back
        def alike(first: str, second: str) -> float:
            one, other = known.words[first], known.words[second]
            return len(one & other) / len(one | other)

        for row in cells.rows:
            lists = [[item for item in cell.top if known.words.get(item)] for cell in cells.at[row.key][user]]
            found[row.key].append([_apart(items, alike) for items in lists])
    return {key: np.array(users).T for key, users in found.items()}


def _apart(items: Sequence[str], alike: Callable[[str, str], float]) -> float:
    pairs = [alike(first, second) for first, second in combinations(sorted(items), 2)]
    return 1 - sum(pairs) / len(pairs) if pairs else np.nan


def _words(title: str, category: str | None) -> frozenset[str]:
    named = {f"category: {category.lower()}"} if category else set()
    return frozenset({*similar_titles.words(title), *named})
