"""Prompts by a policy file: the very ones that the engine writes for the same input.

Fixed demonstrations need the file alone; a strategy that chooses for each user reads its data set in a
workspace. PyTorch is never needed for a fixed set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from db.datasets import DatasetInfo, Interaction
from db.errors import BadInput
from db.names import quoted
from db.policies import LONGEST_TITLE, Purchase
from db.policies import Policy as PolicyFile
from db.ratings import Scale
from engine.context import Engine
from engine.policy.paper import Paper
from engine.policy.workspace import anonymous, chosen, dataset_of, items, listed, of_user
from engine.prompts import Example, Fitted, Template, fit, read, render
from engine.prompts.orders import cyclic_orders
from engine.prompts.parts import Asked, Part, parts, readings
from engine.prompts.segments import Pieces

if TYPE_CHECKING:
    from engine.demos.query import Query
ANSWER_ROOM = 64  # tokens kept for an answer where no candidates say how long it can be
Item = str | Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """A prompt, rendered.

    text: what the model reads, the marks of its chat template included. messages: the same for a chat
    interface, which adds the marks; answer_begins: how the answer to the last one begins. answers: what is
    compared behind the prompt, each as text; for titles one for each candidate. dropped: what did not fit.
    weights: of the demonstrations; anything but the engine reads them all plainly.
    """

    text: str
    messages: list[dict[str, str]]
    answer_begins: str
    answers: tuple[str, ...]
    weights: tuple[float, ...]
    dropped: tuple[dict[str, Any], ...]
    _parts: tuple[Part, ...] = field(repr=False)
    _paper: Paper = field(repr=False)

    @property
    def served(self) -> bool:
        """Whether the model is behind an endpoint, so that only its server can count tokens."""
        return self._paper.served

    @cached_property
    def tokens(self) -> dict[str, Any]:
        """`ids`, which the model reads, and `spans`: `part`, `index`, `start`, `stop` (exclusive), in order.

        Needs the model's tokenizer: raises ModelError where it is not there or another one, BadInput for a
        model behind an endpoint, whose server has it.
        """
        if self._paper.served:
            raise BadInput("Tokens: the model is behind an endpoint, and its server has the tokenizer.")
        encoder, ids, spans = self._paper.encoder, [], []
        for part in self._parts:
            start = len(ids)
            ids += encoder.joined(part.pieces)
            spans.append({"part": part.kind, "index": part.index, "start": start, "stop": len(ids)})
        return {"ids": ids, "spans": spans}

    def to_json(self, tokens: bool = True) -> dict[str, Any]:
        """Everything, ready for JSON. tokens: with them."""
        plain = {
            "text": self.text,
            "messages": self.messages,
            "answer_begins": self.answer_begins,
            "answers": list(self.answers),
            "weights": list(self.weights),
            "dropped": list(self.dropped),
        }
        return {**plain, "tokens": self.tokens} if tokens else plain


class Policy:
    """A policy, loaded. `file`: what it says (`db.policies.Policy`).

    engine: opens the workspace, when it is first needed; None: strings are titles, never ids.
    titles: title of each item id, in place of a workspace. source: where the tokenizer is.
    """

    def __init__(
        self,
        file: PolicyFile,
        engine: Callable[[], Engine],
        titles: Mapping[str, str] | None = None,
        source: str | None = None,
        *,
        opened: bool = False,
    ) -> None:
        if titles is not None and not isinstance(titles, Mapping):
            raise BadInput("titles: expected a mapping, the title of each item id.")
        self.file = file
        self._engine, self._titles, self._opened = engine, titles, opened
        self._paper = Paper(file.model, source or file.model.source)
        try:
            template = read(file.template.text, file.template.reference)
            self._template: Template = template.in_turns() if file.turns == "chat" else template
            self._form = self._template.form(file.scoring)
        except BadInput as error:
            raise BadInput(f"The policy cannot be used: template: {error}") from error
        self._scale = Scale.from_json(file.data.scale.model_dump())

    def __repr__(self) -> str:
        shown = "fixed demonstrations" if self.file.fixed else self.file.strategy
        return f"dualens.Policy({shown}, model={self.file.model.name!r}, data={self.file.data.name!r})"

    def prompt(
        self,
        history: Sequence[Item] | None = None,
        candidates: Sequence[Item] | None = None,
        *,
        user: str | None = None,
    ) -> Prompt:
        """The prompt for a history, oldest first; the first of `prompts` where a scoring reads several.

        history: titles, or mappings with `title` and where the template shows them `rating`, `timestamp`
        (unix seconds), `category`, `brand`. Where the policy has a workspace or titles of items, an item's id
        stands for its title. candidates: what is to be ranked; needed where the prompt shows them. user: a
        user of the data set, whose own purchases then are not taken for another's; without a history, theirs,
        and without candidates their list. Raises BadInput, and NotFound where the workspace lacks the data.
        """
        return self.prompts(history, candidates, user=user)[0]

    def prompts(
        self,
        history: Sequence[Item] | None = None,
        candidates: Sequence[Item] | None = None,
        *,
        user: str | None = None,
    ) -> list[Prompt]:
        """All prompts that the scoring reads: for `listwise` one for each order of the list, for `yes_no` one
        for each candidate, otherwise one."""
        query = self._query(history, user)
        shown = query.history if query is not None else self._purchases(history)[-self.file.history :]
        titles = self._candidates(candidates, query, user)
        demonstrations, weights = self._demonstrations(query)
        texts = self._form.history(shown, self._scale)
        return [
            self._written(demonstrations, weights, texts, titles, asked) for asked in self._readings(titles)
        ]

    def _written(
        self,
        demos: Sequence[Example],
        weights: Sequence[float],
        history: Pieces,
        titles: Sequence[str],
        asked: Asked,
    ) -> Prompt:
        template, scoring = self._template, self.file.scoring
        fitted = self._fitted(demos, history, titles)
        segments, kept, shown = (
            (render(template, scoring, demos, history), tuple(range(len(demos))), history)
            if fitted is None
            else (fitted.segments, fitted.kept, fitted.history)
        )
        made = parts(self._form, segments, shown, [titles[place] for place in asked.shown])
        pieces = [piece for part in made for piece in part.pieces]
        messages, begins = self._paper.messages(pieces)
        return Prompt(
            text=self._paper.text(pieces),
            messages=messages,
            answer_begins=begins,
            answers=tuple("".join(answer) for answer in asked.answers),
            weights=tuple(weights[place] for place in kept),
            dropped=() if fitted is None else tuple(lost.as_dict() for lost in fitted.dropped),
            _parts=tuple(made),
            _paper=self._paper,
        )

    def _fitted(self, demos: Sequence[Example], history: Pieces, titles: Sequence[str]) -> Fitted | None:
        """What fits into the model's context; None where all of it does on any tokenizer."""
        room, tails = self.file.model.context_length, self._tails(titles)
        segments = render(self._template, self.file.scoring, demos, history)
        whole = [piece for segment in segments for piece in segment.pieces]
        most = max((self._paper.at_most(tail) for tail in tails), default=ANSWER_ROOM)
        if self._paper.at_most(whole) + most <= room:
            return None
        encoder = self._paper.encoder
        longest = max((len(encoder.joined(tail)) for tail in tails), default=ANSWER_ROOM)
        return fit(encoder, self._template, self.file.scoring, demos, history, room - longest)

    def _tails(self, titles: Sequence[str]) -> list[Pieces]:
        """What stands behind the shared prompt in every reading, answer included."""
        return [
            (*self._form.ask([titles[place] for place in asked.shown]), *answer)
            for asked in self._readings(titles)
            for answer in asked.answers or ((),)
        ]

    def _readings(self, titles: Sequence[str]) -> list[Asked]:
        orders = cyclic_orders(len(titles), self.file.seed) if self.file.scoring == "listwise" else ()
        return readings(self._form, self.file.scoring, titles, orders)

    def _demonstrations(self, query: Query | None) -> tuple[list[Example], tuple[float, ...]]:
        if self.file.demonstrations is not None:
            shown = [demo for demo in self.file.demonstrations if demo.weight > 0]
            examples = [self._example(list(map(_purchase, d.history)), _purchase(d.answer)) for d in shown]
            return examples, tuple(d.weight for d in shown)
        assert query is not None
        entries = chosen(self._engine(), self._dataset, self.file, self._template, query)
        return [self._example(e.history, e.answer) for e in entries], (1.0,) * len(entries)

    def _example(self, history: Sequence[Interaction], answer: Interaction) -> Example:
        return self._form.example(history, answer, self._scale.likes(answer.rating), self._scale)

    def _query(self, history: Sequence[Item] | None, user: str | None) -> Query | None:
        """The moment of the prediction; None where the file alone says everything."""
        if history is not None and self.file.fixed and user is None:
            return None
        if history is None and user is None:
            raise BadInput("history: give the titles of what was bought, oldest first, or a user.")
        store, dataset = self._engine().store, self._dataset
        if user is None:
            purchases = self._purchases(history)
            return anonymous(dataset, self.file.history, purchases)
        query = of_user(store, dataset, user, self.file.history)
        if history is None:
            return query
        return replace(query, history=self._purchases(history)[-self.file.history :])

    @cached_property
    def _dataset(self) -> DatasetInfo:
        return dataset_of(self._engine().store, self.file)

    def _purchases(self, history: Sequence[Item] | None) -> list[Interaction]:
        given = [_given("history", item) for item in _items("history", history or ())]
        if not given:
            raise BadInput("history: it is empty, and a prompt shows at least 1 item.")
        known = self._known([item.title for item in given])
        return [
            replace(known[item.title], rating=item.rating, timestamp=item.timestamp)
            if item.title in known
            else item
            for item in given
        ]

    def _candidates(
        self, candidates: Sequence[Item] | None, query: Query | None, user: str | None
    ) -> tuple[str, ...]:
        if candidates is None and user is not None and query is not None:
            return listed(self._engine().store, self._dataset, self.file, query)
        given = [_given("candidates", item).title for item in _items("candidates", candidates or ())]
        if not given and self.file.scoring in ("yes_no", "listwise", "free"):
            raise BadInput(f"candidates: scoring {self.file.scoring} shows them in the prompt, so give them.")
        known = self._known(given)
        return tuple(known[title].title if title in known else title for title in given)

    def _known(self, named: Sequence[str]) -> dict[str, Interaction]:
        """The items of these ids (or, where the workspace has to know them, of these titles)."""
        if self._titles is not None:
            return {
                name: replace(_given("titles", self._titles[name]), item_id=name)
                for name in named
                if name in self._titles
            }
        if self.file.fixed and not self._opened:
            return {}
        return items(self._engine().store, self._dataset, named)


def _items(name: str, given: Sequence[Item]) -> list[Item]:
    if isinstance(given, str | Mapping) or not all(isinstance(item, str | Mapping) for item in given):
        raise BadInput(f"{name}: expected a list of titles, item ids or mappings with a title.")
    return list(given)


def _given(name: str, item: Item) -> Interaction:
    try:
        return _purchase(Purchase.model_validate({"title": item} if isinstance(item, str) else dict(item)))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{name}: an item is a title of at most {LONGEST_TITLE:,} characters, or a mapping with title, "
            f"rating, timestamp (unix seconds), category and brand; got {quoted(item)}."
        ) from error


def _purchase(shown: Purchase) -> Interaction:
    return Interaction(
        0, -1, shown.item, shown.title, shown.timestamp, shown.rating, shown.category, shown.brand
    )
