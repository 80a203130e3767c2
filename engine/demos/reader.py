"""Vectors of titles and token counts of demonstrations, from a language model or a sentence encoder.

Boundary: titles in, vectors and token counts out; no strategy knows which model answers. Both functions may
load a model the first time they are called, so that strategies which need none load none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.demos.query import PoolEntry

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Reader:
    """`embed`: titles -> one vector each [n, d]; `tokens`: how long a demonstration is in the prompt."""

    embed: Embed
    tokens: Callable[[PoolEntry], int]


def directions(embed: Embed, titles: Sequence[str]) -> NDArray[np.float64]:
    """Unit vectors of these titles [n, d], their common component removed; 0 for a title that has no other.

    Every state of a language model shares one large direction (arXiv 1909.00512), under which all titles look
    alike.
    """
    vectors = np.asarray(embed(titles), dtype=np.float64)
    return unit(vectors - vectors.mean(axis=0))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows [n, d] divided by their length; a row of almost no length becomes 0."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-9)
