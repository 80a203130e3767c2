"""Rows of tokens as a tree: what they begin with alike stands there once.

Knows token ids only. A model reads the tree in one pass in which every token looks at the line that leads to
it (`engine/llm/attention/lens.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Ids = tuple[int, ...]
_BEGUN = 3e7  # multiplications that take as long as what has to be done for a tree however small it is


@dataclass(frozen=True)
class Tree:
    """N nodes, each after its parent. depths [N]: nodes before each on its line. paths: of each row the
    nodes of all its tokens but the last, which is predicted and never read."""

    tokens: Ids
    parents: Ids
    depths: Ids
    paths: tuple[Ids, ...]

    def lines(self) -> Tensor:
        """[N, N] bool: row n is true at node n and at those on the line that leads to it."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


def grown(rows: Sequence[Ids]) -> Tree:
    """The tree of these rows."""
    tokens, parents, depths, paths = [], [], [], []
    children: dict[tuple[int, int], int] = {}
    for row in rows:
        node, path = -1, []
        for depth, token in enumerate(row[:-1]):
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
                depths.append(depth)
            node = children[node, token]
            path.append(node)
        paths.append(tuple(path))
    return Tree(tuple(tokens), tuple(parents), tuple(depths), tuple(paths))


def groves(rows: Sequence[Ids], width: int) -> list[list[int]]:
    """Places of rows that are to share a tree, rows that begin alike together; width: the model's.

    In a tree every token meets every other, in vain where they stand on different branches; another tree
    reads the common beginning again. A token costs about 12 `width` times what a pair of tokens does, and a
    pair about 4 `width` multiplications: a new tree is begun where that costs less than what was met in vain.
    """
    begun = _BEGUN / (4 * width)
    parts: list[list[int]] = []
    nodes, vain, before = 0, 0, ()
    for place in sorted(range(len(rows)), key=lambda r: rows[r]):
        row = rows[place]
        differs = (n for n, (a, b) in enumerate(zip(row, before, strict=False)) if a != b)
        shared = min(next(differs, len(row)), len(before), len(row) - 1)
        new = len(row) - 1 - shared
        vain += 2 * new * max(nodes - shared, 0)
        # Rows that are the same stay together: their log-probabilities are one number then, a tie.
        if not parts or (row != before and vain > 12 * width * shared + begun):
            parts.append([])
            nodes, vain, new = 0, 0, len(row) - 1
        parts[-1].append(place)
        nodes += new
        before = row
    return parts
