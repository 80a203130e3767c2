"""The pieces of a prompt: text and marks, in typed segments, and the answers that are scored.

A prompt is `[prefix][demo 0]...[demo k-1][hint][query]` followed by one ask and one answer of the candidate's
own; the hint, what a conventional recommender suggests (arXiv 2406.11156), is there only if asked for.
A piece is tokenized on its own and never merged with its neighbour, so a segment's token span is exact on
every tokenizer. Borders of pieces stand where tokenizers part a text anyway; what some of them join (two line
ends) is a mark, which the encoder writes as its tokenizer allows. This module knows no tokenizer, no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prefix", "demo", "hint", "query", "answer"]
Pieces = tuple[str, ...]

# Marks, which an encoder turns into tokens or into none: where a chat model's own header goes, how a prompt
# begins (with that header, if there is one; the introduction follows in the same piece), an empty line, and
# where, in demonstrations that are turns, the model's turn begins and ends.
HEAD = "\x00head"
TAIL = "\x00tail"
INTRO = "\x00intro"
BLANK = "\x00blank"
ASKED = "\x00asked"
ANSWERED = "\x00answered"
_MARKS = {HEAD: "", TAIL: "", BLANK: "\n", ASKED: "", ANSWERED: ""}

DEMO_HISTORY = 5  # items of history shown in one demonstration
LINE = 200  # characters of a line that the model wrote, when it is shown again
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Disliked(str):
    """The text of an item that its user disliked; templates may show those apart."""

    __slots__ = ()


@dataclass(frozen=True)
class Example:
    """One demonstration: the texts of what was bought, the title of what came next, whether that was liked,
    and the rating it got."""

    history: Pieces
    answer: str
    liked: bool = True
    rating: float | None = None


@dataclass(frozen=True)
class Segment:
    """One part of a prompt. `index` counts demonstrations from 0; it is 0 for every other kind."""

    kind: Kind
    index: int
    pieces: Pieces

    @property
    def text(self) -> str:
        """The segment as text, without the chat template's header."""
        return written(self.pieces)


def written(pieces: Sequence[str]) -> str:
    """Pieces as text, without the chat template's header."""
    return "".join(_MARKS.get(piece, piece.removeprefix(INTRO)) for piece in pieces)


def clean(title: str) -> str:
    """A title with its white space collapsed to single blanks, and nothing in it that is read as a mark."""
    return " ".join(title.replace("\x00", "").split())


def title_answer(title: str) -> Pieces:
    """The answer a likelihood ranking scores."""
    return (f" {clean(title)}\n",)


def label_answer(index: int, count: int) -> Pieces:
    """The answer a listwise ranking scores: the label of the `index`-th of `count` listed titles."""
    return (f" {label(index, count)}\n",)


def label(index: int, count: int) -> str:
    """A capital letter where the list has at most 26 entries, else the number from 1."""
    return _LETTERS[index] if count <= len(_LETTERS) else str(index + 1)
