"""What copies score in a study, of the demonstrations that its prompts show; and which placebos there are."""

from collections.abc import Sequence

from db.choices import STRATEGIES
from engine.demos import copies
from engine.demos.query import PoolEntry

PLACEBOS = tuple(name for name, row in STRATEGIES.items() if row.derived)


def copied(
    name: str, entries: Sequence[PoolEntry], weights: Sequence[float], offered: Sequence[int]
) -> list[float]:
    """What a row of `db.choices.COPIES` scores the offered items (numbers), from the demonstrations shown."""
    shown = [([row.item for row in entry.history], entry.answer.item) for entry in entries]
    return copies.scores(name, shown, weights, offered)
