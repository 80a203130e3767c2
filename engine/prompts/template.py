"""Prompt templates: how each scoring's prompt is written, as pieces of text.

A template is lines with placeholders, read from a file (`engine.prompts.parse`). What a placeholder stands
for is put in once and never read again, so no title can add a placeholder or a mark.
Knows text and purchases: no tokenizer, no store.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from db.choices import SCORINGS
from db.datasets import Interaction
from db.errors import BadInput
from db.moments import utc
from db.ratings import Scale
from engine.prompts.segments import (
    ANSWERED,
    ASKED,
    DEMO_HISTORY,
    INTRO,
    LINE,
    Disliked,
    Example,
    Pieces,
    Segment,
    clean,
    label,
    title_answer,
)

# Scoring -> the section that writes its prompt.
SECTIONS = {
    "sum": "title",
    "mean": "title",
    "calibrated": "title",
    "yes_no": "yes_no",
    "listwise": "listwise",
    "free": "free",  # no score: the model writes titles (engine/tasks/free_text.py)
    "rating": "rating",  # no ranking: the model rates the next item (engine/tasks/rating.py)
    "explanation": "explanation",  # no score: the model writes a text (engine/tasks/free_answers.py)
    "summary": "summary",
}
# Lists of the user's own items. A line with one of them, or with {candidates}, is written once for each;
# NAME_inline writes them into one line, with commas between.
LISTS = {
    "history": "the items, oldest first",
    "earlier": "the items but the newest",
    "liked": "the items that were liked",
    "disliked": "the items that were disliked",
}
INLINE = "_inline"
VALUES = {"recent": "the newest item"}
OF_ITEM = ("title", "rating", "date", "year", "category", "brand")
_REPEATED = {*LISTS, "candidates", "hint"}


class Value(NamedTuple):
    """A placeholder in a line."""

    name: str


Part = str | Value
Line = tuple[Part, ...]


@dataclass(frozen=True)
class Group:
    """Part of the text of an item; an optional one is left out where one of its values is missing."""

    parts: Line
    optional: bool


@dataclass(frozen=True, eq=False)
class Form:
    """How a template writes prompts under one scoring. Every function returns pieces.

    shared: the query's lines up to what changes with the candidate; asked: from there to the answer. turns:
    a demonstration's question is the user's turn, and its answer the model's. introduction: one of its own,
    or "".
    """

    section: str
    item: tuple[Group, ...]
    demonstration: tuple[Line, ...]
    shared: tuple[Line, ...]
    asked: tuple[Line, ...]
    yes: str = "Yes"
    no: str = "No"
    introduction: str = ""
    turns: bool = False

    def example(
        self, history: Sequence[Interaction], answer: Interaction, liked: bool, scale: Scale
    ) -> Example:
        """A demonstration as this form shows it."""
        return Example(self.history(history, scale), answer.title, liked, answer.rating)

    def history(self, purchases: Sequence[Interaction], scale: Scale) -> Pieces:
        """The text of each item; of those disliked as `Disliked`."""
        return tuple(
            (str if scale.likes(purchase.rating) else Disliked)(self._item(purchase))
            for purchase in purchases
        )

    def demo(self, example: Example) -> Pieces:
        """One demonstration, answer included. It shows the newest items of its history."""
        pieces = self._marked(example)
        if self.turns:  # the model's turn ends with the answer
            return pieces[: pieces.index(ANSWERED) + 1]
        return tuple(piece for piece in pieces if piece not in (ASKED, ANSWERED))

    def answer_place(self, example: Example) -> int:
        """Which of the pieces of `demo` is the answer."""
        behind = self._marked(example).index(ANSWERED)
        return behind - 1 if self.turns else behind - 2  # without the mark before the answer's line

    def _marked(self, example: Example) -> Pieces:
        """One demonstration with the marks where the model's turn begins and ends."""
        values = _own(example.history[-DEMO_HISTORY:])
        values["title"] = clean(example.answer)
        values["answer"] = self._answered(example)
        return tuple(_written(self.demonstration, values))

    def query(self, history: Sequence[str]) -> Pieces:
        """The user's history and the question, up to what changes with the candidate."""
        return tuple(_written(self.shared, _own(history)))

    def ask(self, titles: Sequence[str], faults: Sequence[tuple[str, str]] = ()) -> Pieces:
        """The rest of the question: about one title (or review), or with the whole list of candidates.

        faults: (line of an earlier answer, what is wrong with it), shown behind the list.
        """
        return tuple(_written(self.asked, self._asked_values(titles), faults))

    def query_lines(self, history: Sequence[str]) -> Iterator[tuple[bool, Pieces]]:
        """The pieces of `query` line by line, and whether the line shows the user's items."""
        values = _own(history)
        for line in self.shared:
            yield bool(_of_list(line) & (LISTS.keys() | VALUES.keys())), tuple(_written((line,), values))

    def ask_lines(self, titles: Sequence[str]) -> Iterator[tuple[bool, Pieces]]:
        """The pieces of `ask` line by line, and whether the line shows a candidate."""
        values = self._asked_values(titles)
        for line in self.asked:
            yield bool(_of_list(line) & {"candidates", "title", "review"}), tuple(_written((line,), values))

    def purchase(self, title: str) -> Pieces:
        """An item as the history shows it, with what stands before the first; its text is the last piece."""
        written: list[str] = []
        for line in self.shared:
            own = _of_list(line) & (LISTS.keys() | VALUES.keys())
            only = tuple(part for part in line if not isinstance(part, Value) or part.name not in LISTS)
            written += _written((line if own else only,), {name: [clean(title)] for name in own})
            if own:
                return tuple(written)
        return (*written, *title_answer(title))

    def yes_no_answer(self, yes: bool) -> Pieces:
        """The answer a pointwise ranking scores."""
        return (f" {self.yes if yes else self.no}\n",)

    def rating_answer(self, value: float) -> Pieces:
        """The answer that says a rating."""
        return (f" {value:g}\n",)

    def _asked_values(self, titles: Sequence[str]) -> dict[str, Any]:
        values: dict[str, Any] = {"count": str(len(titles)), "candidates": [clean(title) for title in titles]}
        if titles:
            values["title"] = values["review"] = clean(titles[0])
        return values

    def _answered(self, example: Example) -> str:
        if self.section == "yes_no":
            return self.yes if example.liked else self.no
        if self.section == "rating":
            return "" if example.rating is None else f"{example.rating:g}"
        return clean(example.answer)

    def _item(self, purchase: Interaction) -> str:
        day = utc(purchase.timestamp)
        values = {
            "title": purchase.title,
            "rating": None if purchase.rating is None else f"{purchase.rating:g}",
            "date": None if day is None else f"{day:%Y-%m-%d}",
            "year": None if day is None else f"{day:%Y}",
            "category": purchase.category,
            "brand": purchase.brand,
        }
        parts = ""
        for group in self.item:
            text = [part if isinstance(part, str) else values[part.name] for part in group.parts]
            if not group.optional or all(text):
                parts += "".join(part or "" for part in text)
        return clean(parts)


@dataclass(frozen=True)
class Template:
    """One template. `reference`: the name by which runs name it, with its digest where it is a person's own;
    `turns`: demonstrations are turns of a conversation, the question the user's and the answer the model's.
    """

    reference: str
    digest: str
    turns: bool = False
    about: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    introduction: str = field(default="", compare=False)
    hint: tuple[Line, ...] = field(default=(), compare=False)
    forms: Mapping[str, Form] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """What tells its prompts from another's."""
        return f"{self.reference} in turns" if self.turns else self.reference

    @property
    def scorings(self) -> list[str]:
        """The scorings it has a section for."""
        return [scoring for scoring, section in SECTIONS.items() if section in self.forms]

    def form(self, scoring: str) -> Form:
        """How it writes prompts under a scoring; BadInput names the scorings it has."""
        section = SECTIONS.get(scoring)
        if section is None:
            raise BadInput(
                f"There is no scoring mode '{scoring}'. Choose one of: {', '.join(self.scorings)}."
            )
        if section not in self.forms:
            ranking = [name for name in self.scorings if name in SCORINGS]
            others = (
                f"one of its scorings ({', '.join(ranking)}), or " if ranking and scoring in SCORINGS else ""
            )
            raise BadInput(
                f"The prompt template {self.reference} has no section [{section}], which {scoring} needs. "
                f"Choose {others}another template."
            )
        return replace(self.forms[section], turns=self.turns)

    def in_turns(self) -> "Template":
        """The same with demonstrations as turns of a conversation."""
        return replace(self, turns=True)


def render(
    template: Template,
    scoring: str,
    demos: Sequence[Example],
    history: Sequence[str],
    hint: Sequence[str] = (),
) -> list[Segment]:
    """The segments all candidates share: prefix, demonstrations in the order given, hint if any, query.

    hint: titles that another recommender suggests, best first.
    """
    form = template.form(scoring)
    prefix = Segment("prefix", 0, (INTRO + (form.introduction or template.introduction),))
    shown = [Segment("demo", b, form.demo(example)) for b, example in enumerate(demos)]
    suggested = []
    if hint:
        pieces = tuple(_written(template.hint, {"hint": [clean(title) for title in hint]}))
        suggested = [Segment("hint", 0, pieces)]
    return [prefix, *shown, *suggested, Segment("query", 0, form.query(history))]


def _own(history: Sequence[str]) -> dict[str, Any]:
    """The values of placeholders about a user's items."""
    items = [clean(item) for item in history]
    return {
        "history": items,
        "earlier": items[:-1],
        "liked": [clean(item) for item in history if not isinstance(item, Disliked)],
        "disliked": [clean(item) for item in history if isinstance(item, Disliked)],
        "recent": items[-1] if items else "",
    }


def _written(
    lines: Sequence[Line], values: Mapping[str, Any], faults: Sequence[tuple[str, str]] = ()
) -> Iterator[str]:
    """The pieces of the lines; faults of an earlier answer are shown behind the list of candidates."""
    for line in lines:
        names = names_in(line)
        repeated = next((name for name in names if name in values and name in _REPEATED), None)
        if repeated is None:
            yield from _piece(line, values)
            continue
        count = len(values[repeated])
        for n, value in enumerate(values[repeated]):
            own = {repeated: value, "n": str(n + 1), "label": label(n, count)}
            yield from _piece(line, own)
        if repeated == "candidates" and faults:
            yield "An earlier answer was wrong:\n"
            for wrong, fault in faults:
                yield from ("-", f" {clean(wrong)[:LINE]} ({fault})\n")


def _piece(line: Line, values: Mapping[str, Any]) -> Iterator[str]:
    """A line cut before each value, at the blank before it: tokenizers join a blank with a word."""
    current = ""
    for part in line:
        if isinstance(part, str):
            current += part
            continue
        given = values[part.name.removesuffix(INLINE)]
        texts = [given] if isinstance(given, str) else list(given)
        before, current = cut(current)
        if before:
            yield before
        if not any(texts):
            current = current.removesuffix(" ")
        for n, text in enumerate(texts):
            if n:
                yield f"{current},"
            current = f" {text}" if n else f"{current}{text}"
    if current:
        yield current


def cut(text: str) -> tuple[str, str]:
    """A text parted where a tokenizer parts it: before its last blank, and from there on. Without a blank all
    of it is the second part."""
    before, blank, rest = text.rpartition(" ")
    return (before, blank + rest) if blank else ("", text)


def _of_list(line: Line) -> set[str]:
    """The placeholders of a line, without how their items are joined."""
    return {name.removesuffix(INLINE) for name in names_in(line)}


def names_in(line: Line) -> set[str]:
    """The placeholders of a line."""
    return {part.name for part in line if isinstance(part, Value)}
