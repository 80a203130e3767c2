"""Experiments made of ranks, for tests of what is concluded from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.studies.experiments.beyond_accuracy import Catalogue
from engine.studies.experiments.cells import Cell, Cells, Row

SIZE = 20  # candidates
NOTHING_KNOWN = Catalogue(0, {}, {})


def cell(rank: int, tied: int = 0, size: int = SIZE, **more: Any) -> Cell:
    """The target at this rank of a list, with others tied behind it. Items are called by their place."""
    others = [place for place in range(1, size + 1) if place != rank]
    scores = [-float(rank if rank < place <= rank + tied else place) for place in others]
    known: dict[str, Any] = {"top": tuple(map(str, range(1, 11)))} | more
    return Cell(above=rank - 1, tied=tied, scores=(-float(rank), *scores), **known)


def grid(rows: dict[str, Any], **more: Any) -> Cells:
    """An experiment with these rows: ranks [users] or [draws][users], or cells [users][draws]."""
    at = {key: _cells(ranks, more) for key, ranks in rows.items()}
    users = tuple(f"u{place}" for place in range(len(next(iter(at.values())))))
    described = tuple(Row(key, key.title(), draws=len(per_user[0])) for key, per_user in at.items())
    return Cells(described, users, at)


def _cells(ranks: Any, more: dict[str, Any]) -> Sequence[Sequence[Cell]]:
    if isinstance(ranks[0][0] if isinstance(ranks[0], list | tuple) else None, Cell):
        return ranks
    return [[cell(int(rank), **more) for rank in draws] for draws in np.atleast_2d(ranks).T]
