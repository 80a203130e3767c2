"""Every template's scores against prompts written out here, as text, from the file alone.

Nothing of `engine.prompts` writes them: placeholders are replaced by a regular expression, the chat template
is the tokenizer's own, and the whole text is tokenized at once and read by the model's own attention.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from db.choices import TEMPLATES
from db.datasets import Interaction
from db.ratings import FIVE_STARS
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.ranking import Scoring, Task, rank_candidates
from engine.prompts import built_in
from engine.prompts.orders import cyclic_orders
from engine.prompts.parse import BUILT_IN
from tests.engine.conftest import TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

CANDIDATES = TITLES[6:9]
LETTERS = "ABC"


def bought(title: str, rating: float | None, day: int | None, brand: str | None = None) -> Interaction:
    when = None if day is None else 1_000_000_000 + 86_400 * day
    return Interaction(0, 0, "i", title, timestamp=when, rating=rating, category=None, brand=brand)


HISTORY = [bought(TITLES[0], 5, 1, "Acme"), bought(TITLES[1], 1, 2), bought(TITLES[2], None, None)]
DEMOS = [
    ([bought(TITLES[3], 4.5, 3), bought(TITLES[4], 2, None)], bought(TITLES[5], 4, 5)),
    ([bought(TITLES[2], None, 3), bought(TITLES[0], 2, 4)], bought(TITLES[1], 1, 6)),
]


class Written:
    """Prompts of one template and section, by replacing placeholders in its text."""

    def __init__(self, name: str, section: str) -> None:
        data = tomllib.loads((BUILT_IN / f"{name}.toml").read_text())
        self.words, self.section = data.get("words", {}), section
        self.own = {**data, **data[section]}
        self.yes, self.no = self.own.get("yes", "Yes"), self.own.get("no", "No")

    def text(self, key: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda m: self.words.get(m[1], m[0]), self.own[key])

    def item(self, purchase: Interaction) -> str:
        when = purchase.timestamp and datetime.fromtimestamp(purchase.timestamp, UTC)
        values = {
            "title": purchase.title,
            "rating": purchase.rating and f"{purchase.rating:g}",
            "date": when and when.strftime("%Y-%m-%d"),
            "year": when and when.strftime("%Y"),
            "category": purchase.category,
            "brand": purchase.brand,
        }

        def optional(group: re.Match[str]) -> str:
            return group[1] if all(values[name] for name in re.findall(r"\{(\w+)\}", group[1])) else ""

        kept = re.sub(r"\[([^]]*)\]", optional, self.own.get("item", "{title}"))
        return re.sub(r"\{(\w+)\}", lambda m: values[m[1]] or "", kept)

    def filled(self, key: str, history: Sequence[Interaction], more: Mapping[str, Any]) -> str:
        items = [self.item(purchase) for purchase in history]
        likes = [FIVE_STARS.likes(purchase.rating) for purchase in history]
        lists = {
            "history": items,
            "earlier": items[:-1],
            "liked": [item for item, likes_it in zip(items, likes, strict=True) if likes_it],
            "disliked": [item for item, likes_it in zip(items, likes, strict=True) if not likes_it],
            **{name: value for name, value in more.items() if isinstance(value, tuple)},
        }
        values = {
            "recent": items[-1] if items else "",
            **{name: value for name, value in more.items() if isinstance(value, str)},
            **{f"{name}_inline": ", ".join(value) for name, value in lists.items()},
        }
        lines = []
        for line in self.text(key).split("\n"):
            name = next((name for name in lists if f"{{{name}}}" in line), None)
            for n, value in enumerate(lists[name]) if name else [(0, "")]:
                own = {**values, str(name): value, "n": str(n + 1), "label": LETTERS[n]}
                lines.append(re.sub(r" ?\{(\w+)\}", lambda m, own=own: put(m, own), line))
        return "\n".join(lines)

    def demonstration(self, history: Sequence[Interaction], answer: Interaction) -> str:
        liked = FIVE_STARS.likes(answer.rating)
        said = (self.yes if liked else self.no) if self.section == "yes_no" else answer.title
        return self.filled("demonstration", history, {"title": answer.title, "answer": said})

    def prompt(self, loaded: LoadedModel, demos: Sequence[Any], turns: bool, about: Mapping[str, Any]) -> str:
        """All before the answer, without the blank in front of it."""
        intro, query = self.text("introduction"), self.filled("query", HISTORY, {**about, "answer": ""})
        asked, parted, stem = query.rpartition("\n")
        shown = [self.demonstration(*demo) for demo in demos]
        if not loaded.encoder.chat:
            return intro + "".join(shown) + query
        messages = [intro]
        for demo in shown:
            question, line, rest = demo.rstrip("\n").rpartition("\n")
            if turns:
                messages[-1] += question + line
                messages += [rest + "\n", ""]
            else:
                messages[-1] += demo
        messages[-1] += f"{asked}\n" if parted else ""
        roles = ("user", "assistant")
        conversation = loaded.tokenizer.apply_chat_template(
            [{"role": roles[n % 2], "content": text} for n, text in enumerate(messages)],
            tokenize=False,
            add_generation_prompt=True,
        )
        return f"{conversation}{stem.rstrip(' ')}"


def put(match: re.Match[str], values: Mapping[str, str]) -> str:
    """The value with the blank before it, if it had one; a blank before nothing is none."""
    value = values[match[1]]
    return (" " if match[0].startswith(" ") and value else "") + value


def log_likelihood(loaded: LoadedModel, prompt: str, answer: str) -> float:
    def ids(text: str) -> list[int]:
        return loaded.tokenizer.encode(text, add_special_tokens=False)

    whole, before = ids(prompt + answer), ids(prompt)
    assert whole[: len(before)] == before
    return answer_logprob(loaded, before, whole[len(before) :])


def expected(
    loaded: LoadedModel, written: Written, scoring: str, demos: Sequence[Any], turns: bool
) -> list[float]:
    if scoring == "yes_no":
        scores = []
        for title in CANDIDATES:
            prompt = written.prompt(loaded, demos, turns, {"title": title})
            yes, no = (log_likelihood(loaded, prompt, f" {word}\n") for word in (written.yes, written.no))
            scores.append(yes - no)
        return scores
    if scoring == "listwise":
        orders = cyclic_orders(len(CANDIDATES), seed=0)
        scores = [0.0] * len(CANDIDATES)
        for order in orders:
            about = {"candidates": tuple(CANDIDATES[at] for at in order), "count": str(len(order))}
            prompt = written.prompt(loaded, demos, turns, about)
            for place, at in enumerate(order):
                scores[at] += log_likelihood(loaded, prompt, f" {LETTERS[place]}\n") / len(orders)
        return scores
    prompt = written.prompt(loaded, demos, turns, {})
    return [log_likelihood(loaded, prompt, f" {title}\n") for title in CANDIDATES]


CASES = [
    (name, scoring)
    for name, row in TEMPLATES.items()
    for scoring in row.scorings
    if scoring in ("sum", "yes_no", "listwise")
]


@pytest.mark.parametrize("tokenizer, turns", [("bpe", False), ("chat", False), ("chat", True)])
@pytest.mark.parametrize("name, scoring", CASES)
def test_scores_are_those_of_the_text_written_out(
    name: str, scoring: Scoring, tokenizer: str, turns: bool
) -> None:
    loaded, template = make_loaded("llama", tokenizer), built_in(name)
    form = template.form(scoring)
    written = Written(name, form.section)
    task = Task(
        demos=tuple(
            form.example(history, answer, FIVE_STARS.likes(answer.rating), FIVE_STARS)
            for history, answer in DEMOS
        ),
        history=form.history(HISTORY, FIVE_STARS),
        candidates=CANDIDATES,
        target=1,
        scoring=scoring,
        template=template.in_turns() if turns else template,
    )
    result = rank_candidates(loaded, task)
    assert not result.dropped
    assert result.scores == pytest.approx(expected(loaded, written, scoring, DEMOS, turns), abs=2e-3)
    assert result.scores_zero_shot == pytest.approx(expected(loaded, written, scoring, [], turns), abs=2e-3)
