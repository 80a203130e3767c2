"""BM25 over titles: how much the words of one text are the words of another (bm25s, Lucene's variant).

Knows texts only. The index of a catalogue is built once for a data set and kept (`of_catalogue`).
"""

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

import bm25s
import numpy as np
from numpy.typing import NDArray

from engine.data.kept import Cost, Kept, Shelf
from engine.libraries import versions

WORD = re.compile(r"\w+")

INDEX = "titles"
VERSION = (1, versions(("bm25s",)))
"""Raised when the index changes, so that an older one is built anew."""

SECONDS, MIB = 15.5e-6, 0.7e-3
"""What indexing a title takes, measured on 2 million titles of six words."""

# bm25s logs every index it builds, at a level it sets itself.
logging.getLogger("bm25s").setLevel(logging.WARNING)


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a title; single characters count ("Uncharted 2" is not "Uncharted
    3")."""
    return WORD.findall(text.lower())


class Texts:
    """Strings one behind the other in one array, so that they need not be read to be there."""

    def __init__(self, letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.letters, self.ends = letters, ends

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> "Texts":
        """These texts, in UTF-8."""
        ends = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
        return cls(np.frombuffer(b"".join(texts), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, place: int) -> bytes:
        return self.letters[self.ends[place] : self.ends[place + 1]].tobytes()


class TitleIndex:
    """BM25 scores of a fixed list of texts; read-only once built, so threads may share it."""

    def __init__(self, texts: Sequence[str]) -> None:
        numbers: dict[str, int] = {}
        number = numbers.setdefault
        ids = [[number(word, len(numbers)) for word in words(text)] for text in texts]
        bm25 = bm25s.BM25(method="lucene")
        if numbers:
            bm25.index((ids, numbers), show_progress=False)
        del ids
        found = bm25.scores if numbers else {}
        vocabulary = sorted((_utf8(word), id) for word, id in numbers.items())
        titles = Texts.of([_utf8(text) for text in texts])
        spelled = Texts.of([word for word, _ in vocabulary])
        self._read(
            {
                "titles": titles.letters,
                "title_ends": titles.ends,
                "words": spelled.letters,
                "word_ends": spelled.ends,
                "ids": np.array([id for _, id in vocabulary], dtype=np.int32),
                "data": np.asarray(found.get("data", ()), dtype=np.float32),
                "indices": np.asarray(found.get("indices", ()), dtype=np.int32),
                "starts": np.asarray(found.get("indptr", (0,)), dtype=np.int64),
            }
        )

    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._titles = Texts(arrays["titles"], arrays["title_ends"])
        self._words = Texts(arrays["words"], arrays["word_ends"])
        self.size = len(self._titles)
        self._bm25 = bm25s.BM25(method="lucene")
        self._bm25.nonoccurrence_array = None
        self._bm25.scores = {
            "data": arrays["data"],
            "indices": arrays["indices"],
            "indptr": arrays["starts"],
            "num_docs": self.size,
        }

    def kept(self) -> Kept:
        """What it is made of."""
        return Kept(self._arrays, {})

    @classmethod
    def rebuilt(cls, kept: Kept) -> "TitleIndex":
        """The index of what `kept` gave."""
        index = cls.__new__(cls)
        index._read(dict(kept.tensors))
        return index

    def title(self, place: int) -> str:
        """The text at this place."""
        return self._titles[place].decode("utf-8", "surrogatepass")

    def scores(self, text: str) -> NDArray[np.float32]:
        """Score of every indexed text for the words of `text` [size], 0 where none is shared."""
        known = [id for word in words(text) if (id := self._id(_utf8(word))) is not None]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        return self._bm25.get_scores_from_ids(known)

    def _id(self, word: bytes) -> int | None:
        place = bisect_left(self._words, word)
        known = place < len(self._words) and self._words[place] == word
        return int(self._arrays["ids"][place]) if known else None


def of_catalogue(shelf: Shelf, items: int, titles: Callable[[], Sequence[str]]) -> TitleIndex:
    """The index of a catalogue of so many items, kept with its data set; `titles` reads them."""
    cost = Cost(f"{items:,} titles by their words", SECONDS * items, MIB * items)
    return TitleIndex.rebuilt(shelf.get(INDEX, lambda: TitleIndex(titles()).kept(), *VERSION, cost=cost))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
