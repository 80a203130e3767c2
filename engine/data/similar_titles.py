"""BM25 over titles: how much the words of one text are the words of another (bm25s, Lucene's variant).

Knows lists of strings only. The index of a catalogue is built once per process and data-set fingerprint.
"""

import logging
import re
from collections.abc import Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"\w+")

# bm25s logs every index it builds, at a level it sets itself.
logging.getLogger("bm25s").setLevel(logging.WARNING)


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a title; single characters count ("Uncharted 2" is not "Uncharted
    3")."""
    return WORD.findall(text.lower())


class TitleIndex:
    """BM25 scores of a fixed list of texts; read-only once built, so threads may share it."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        self.vocabulary: dict[str, int] = {}
        number = self.vocabulary.setdefault
        ids = [[number(word, len(self.vocabulary)) for word in words(text)] for text in texts]
        self._bm25 = bm25s.BM25(method="lucene")
        if self.vocabulary:
            self._bm25.index((ids, self.vocabulary), show_progress=False)

    def scores(self, text: str) -> NDArray[np.float32]:
        """Score of every indexed text for the words of `text` [size], 0 where none is shared."""
        known = [self.vocabulary[word] for word in words(text) if word in self.vocabulary]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        return self._bm25.get_scores_from_ids(known)
