"""A catalogue's titles as a prefix tree of token ids, so that a search can only spell titles that exist.

The tree is implicit: the titles' token sequences stand sorted one behind the other, a node is a span of rows
that share their first `depth` tokens, and its children are the runs of equal tokens in the next column.
Knows titles and token ids: no model, no scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from db.errors import ModelError
from engine.data.kept import Kept
from engine.progress import give_way
from engine.prompts import PieceEncoder
from engine.prompts.segments import title_answer

VERSION = 1
"""Raised when the tree changes, so that an older one is built anew."""

SECONDS, MIB = 40e-6, 1.1e-3
"""What building takes for each title, measured on 2 million titles of six words."""


@dataclass(frozen=True)
class Children:
    """The children of one node, all int64 [children]: `tokens[c]` leads to rows `starts[c]` to `stops[c]`."""

    tokens: np.ndarray
    starts: np.ndarray
    stops: np.ndarray


@dataclass(frozen=True)
class TitleTree:
    """Distinct answers (rows) in sorted order, and the items that each one stands for.

    tokens int32 [sum of lengths], row r is `tokens[offsets[r]:offsets[r + 1]]`; items int32, those of row r
    are `items[owned[r]:owned[r + 1]]`, ascending. A row sorts before the rows that it begins.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    items: np.ndarray
    owned: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64 [rows]."""
        return np.diff(self.offsets)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(a.nbytes for a in (self.tokens, self.offsets, self.items, self.owned))

    def kept(self) -> Kept:
        """What it is made of."""
        return Kept(vars(self), {})

    @classmethod
    def rebuilt(cls, kept: Kept) -> "TitleTree":
        """The tree of what `kept` gave."""
        return cls(**kept.tensors)

    def row(self, row: int) -> np.ndarray:
        """Token ids of one answer."""
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    def items_of(self, row: int) -> np.ndarray:
        """Items whose title is this row's."""
        return self.items[self.owned[row] : self.owned[row + 1]]

    def children(self, start: int, stop: int, depth: int) -> Children:
        """The node of rows `start` to `stop`, which share their first `depth` tokens and are all longer."""
        column = self.tokens[self.offsets[start:stop] + depth]
        starts = start + np.concatenate(([0], np.flatnonzero(np.diff(column)) + 1))
        return Children(column[starts - start].astype(np.int64), starts, np.append(starts[1:], stop))


def build(encoder: PieceEncoder, titles: Sequence[str]) -> TitleTree:
    """The tree of a catalogue; item i has `titles[i]`. Titles equal in tokens share one row.

    Raises ModelError where the tokenizer turns a title into no tokens.
    """
    rows: dict[tuple[int, ...], list[int]] = {}
    for item, title in enumerate(titles):
        give_way()
        ids = encoder.joined(title_answer(title))
        if not ids:
            raise ModelError(f"The model's tokenizer turns the title '{title}' into no tokens at all.")
        rows.setdefault(ids, []).append(item)
    order = sorted(rows)
    return TitleTree(
        tokens=np.array([token for ids in order for token in ids], dtype=np.int32),
        offsets=np.cumsum([0, *(len(ids) for ids in order)]),
        items=np.array([item for ids in order for item in rows[ids]], dtype=np.int32),
        owned=np.cumsum([0, *(len(rows[ids]) for ids in order)]),
    )
