"""Layouts of a prompt: which pieces of text stand in it, in order, as typed segments.

A prompt is `[prefix][demo 0]...[demo k-1][hint][query]` followed by one ask and one answer of the candidate's
own; the hint, what a conventional recommender suggests (arXiv 2406.11156), is there only if asked for.
A piece is tokenized on its own and never merged with its neighbour, so a segment's token span is exact on
every tokenizer. Borders of pieces stand where tokenizers part a text anyway; what some of them join (two line
ends) is a mark, which the encoder writes as its tokenizer allows. This module knows no tokenizer, no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from db.errors import BadInput

Kind = Literal["prefix", "demo", "hint", "query", "answer"]
Pieces = tuple[str, ...]

# Marks, which an encoder turns into tokens or into none: where a chat model's own header goes, how a prompt
# begins (with that header, if there is one), and the end of a demonstration.
HEAD = "\x00head"
TAIL = "\x00tail"
INTRO = "\x00intro"
BLANK = "\x00blank"
INTRODUCTION = "Purchases in order, then the next one.\n"
_MARKS = {HEAD: "", TAIL: "", INTRO: f"{INTRODUCTION}\n", BLANK: "\n"}

DEMO_HISTORY = 5  # items of history shown in one demonstration
LINE = 200  # characters of a line that the model wrote, when it is shown again
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Example:
    """One demonstration as titles: what was bought, what came next, and whether that was liked."""

    history: Pieces
    answer: str
    liked: bool = True


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


@dataclass(frozen=True)
class Layout:
    """The layout of one template under one scoring. Every function returns pieces.

    `ask` takes the titles a row is about (none for a title, one for yes_no, the whole list for listwise).
    """

    name: str
    demo: Callable[[Example], Pieces]
    query: Callable[[Sequence[str]], Pieces]
    ask: Callable[[Sequence[str]], Pieces]


def written(pieces: Pieces) -> str:
    """Pieces as text, without the chat template's header."""
    return "".join(_MARKS.get(piece, piece) for piece in pieces)


def clean(title: str) -> str:
    """A title with its white space collapsed to single blanks."""
    return " ".join(title.split())


def title_answer(title: str) -> Pieces:
    """The answer a likelihood ranking scores."""
    return (f" {clean(title)}\n",)


def yes_no_answer(yes: bool) -> Pieces:
    """The answer a pointwise ranking scores."""
    return (" Yes\n" if yes else " No\n",)


def label_answer(index: int, count: int) -> Pieces:
    """The answer a listwise ranking scores: the label of the `index`-th of `count` listed titles."""
    return (f" {label(index, count)}\n",)


def label(index: int, count: int) -> str:
    """A capital letter where the list has at most 26 entries, else the number from 1."""
    return _LETTERS[index] if count <= len(_LETTERS) else str(index + 1)


def _listed(titles: Sequence[str]) -> Pieces:
    return tuple(piece for title in titles for piece in ("-", f" {clean(title)}\n"))


def _bought(titles: Sequence[str]) -> Pieces:
    return ("Bought:\n", *_listed(titles))


def _hint(titles: Sequence[str]) -> Pieces:
    return ("Another recommender suggests:\n", *_listed(titles), BLANK)


def _plain_demo(example: Example) -> Pieces:
    shown = _bought(example.history[-DEMO_HISTORY:])
    return (*shown, "Next:\n", "-", *title_answer(example.answer), BLANK)


def _plain_query(history: Sequence[str]) -> Pieces:
    return (*_bought(history), "Next:\n", TAIL, "-")


def _yes_no_demo(example: Example) -> Pieces:
    shown = _bought(example.history[-DEMO_HISTORY:])
    asked = ("Would they enjoy this?\n", "-", f" {clean(example.answer)}\n", "Answer:")
    return (*shown, *asked, *yes_no_answer(example.liked), BLANK)


def _yes_no_query(history: Sequence[str]) -> Pieces:
    return (*_bought(history), "Would they enjoy this?\n", "-")


def _yes_no_ask(titles: Sequence[str]) -> Pieces:
    return (f" {clean(titles[0])}\n", TAIL, "Answer:")


def _listwise_query(history: Sequence[str]) -> Pieces:
    return (*_bought(history), "Choose the next one:\n")


def _listwise_ask(titles: Sequence[str]) -> Pieces:
    count = len(titles)
    lines = (p for i, title in enumerate(titles) for p in (f"{label(i, count)}.", f" {clean(title)}\n"))
    return (*lines, TAIL, "Answer:")


def _free_query(history: Sequence[str]) -> Pieces:
    return (*_bought(history), "On offer:\n")


def _free_ask(titles: Sequence[str]) -> Pieces:
    asked = "The ones they would buy next, likeliest first, one title per line:\n"
    return (*_listed(titles), asked, TAIL, "-")


def again_ask(titles: Sequence[str], faults: Sequence[tuple[str, str]]) -> Pieces:
    """The question of `free` once more, after an answer with faults: (line of it, what is wrong with it)."""
    shown = (p for line, fault in faults for p in ("-", f" {clean(line)[:LINE]} ({fault})\n"))
    return (*_listed(titles), "An earlier answer was wrong:\n", *shown, *_free_ask(()))


_TITLE = Layout("title", _plain_demo, _plain_query, lambda _: ())
_YES_NO = Layout("yes_no", _yes_no_demo, _yes_no_query, _yes_no_ask)
_LISTWISE = Layout("listwise", _plain_demo, _listwise_query, _listwise_ask)
_FREE = Layout("free", _plain_demo, _free_query, _free_ask)

# template -> scoring -> layout
LAYOUTS: dict[str, dict[str, Layout]] = {
    "plain": {
        "sum": _TITLE,
        "mean": _TITLE,
        "calibrated": _TITLE,
        "yes_no": _YES_NO,
        "listwise": _LISTWISE,
        "free": _FREE,  # no score: the model writes titles (engine/tasks/free_text.py)
    }
}


def layout(template: str, scoring: str) -> Layout:
    """The layout of a template under a scoring mode; BadInput names what exists."""
    if template not in LAYOUTS:
        raise BadInput(f"There is no prompt template '{template}'. Choose one of: {', '.join(LAYOUTS)}.")
    if scoring not in LAYOUTS[template]:
        known = ", ".join(LAYOUTS[template])
        raise BadInput(f"There is no scoring mode '{scoring}'. Choose one of: {known}.")
    return LAYOUTS[template][scoring]


def render(
    template: str, scoring: str, demos: Sequence[Example], history: Sequence[str], hint: Sequence[str] = ()
) -> list[Segment]:
    """The segments all candidates share: prefix, demonstrations in the order given, hint if any, query.

    hint: titles that another recommender suggests, best first.
    """
    chosen = layout(template, scoring)
    prefix = Segment("prefix", 0, (INTRO,))
    shown = [Segment("demo", b, chosen.demo(example)) for b, example in enumerate(demos)]
    suggested = [Segment("hint", 0, _hint(hint))] if hint else []
    return [prefix, *shown, *suggested, Segment("query", 0, chosen.query(history))]
