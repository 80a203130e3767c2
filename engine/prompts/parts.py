"""A prompt in the parts that people name: instruction, demonstrations, history, candidates, query.

Segments, cut once more between lines. As pieces are tokenized one by one, the tokens of the parts are those
of the segments. Knows no tokenizer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from engine.prompts.segments import Pieces, Segment, label_answer, title_answer
from engine.prompts.template import Form

PartKind = Literal["instruction", "demonstration", "hint", "history", "candidates", "query"]
_NAMES: dict[str, PartKind] = {"prefix": "instruction", "demo": "demonstration", "hint": "hint"}


@dataclass(frozen=True)
class Part:
    """Pieces of one kind. `index`: which demonstration, from 0; 0 for other kinds."""

    kind: PartKind
    index: int
    pieces: Pieces


@dataclass(frozen=True)
class Asked:
    """One reading of a prompt: the candidates that it asks about, and the answers compared behind it.

    `shown`: places of the candidates, in the order in which the prompt shows them. `answers`: of every
    candidate for likelihoods of titles, Yes and No, or the labels of a list; none for a text.
    """

    shown: tuple[int, ...]
    answers: tuple[Pieces, ...]


def readings(
    form: Form, scoring: str, candidates: Sequence[str], orders: Sequence[tuple[int, ...]]
) -> list[Asked]:
    """The prompts that a scoring reads: one for each order of a list, one for each candidate of yes_no."""
    if scoring == "yes_no":
        answers = tuple(form.yes_no_answer(yes) for yes in (True, False))
        return [Asked((n,), answers) for n in range(len(candidates))]
    if scoring == "listwise":
        labels = tuple(label_answer(n, len(candidates)) for n in range(len(candidates)))
        return [Asked(order, labels) for order in orders]
    if scoring == "free":
        return [Asked(tuple(range(len(candidates))), ())]
    return [Asked((), tuple(map(title_answer, candidates)))]


def parts(
    form: Form, segments: Sequence[Segment], history: Sequence[str], titles: Sequence[str]
) -> list[Part]:
    """The parts of a prompt in order. segments: what `render` gave. titles: of the candidates it shows."""
    shared = [Part(_NAMES[each.kind], each.index, each.pieces) for each in segments if each.kind in _NAMES]
    lines = [("history" if own else "query", pieces) for own, pieces in form.query_lines(history)]
    asked = form.ask_lines(titles) if titles else ()
    lines += [("candidates" if shows else "query", pieces) for shows, pieces in asked]
    return [*shared, *_joined(lines)]


def _joined(lines: Sequence[tuple[str, Pieces]]) -> Iterator[Part]:
    """Neighbouring lines of one kind as one part."""
    for kind, group in groupby(lines, key=lambda line: line[0]):
        yield Part(kind, 0, tuple(piece for _, pieces in group for piece in pieces))  # type: ignore[arg-type]
