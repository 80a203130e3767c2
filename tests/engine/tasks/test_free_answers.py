"""Explanations and summaries: written after the prompt they should be, and marked as free text."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets
from db.errors import BadInput, NotFound
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.llm.generation.free_writing import write
from engine.llm.scoring.log_probs import prefill
from engine.tasks.free_answers import LINES, LONGEST, NOTE, TOKENS, explain, summarize
from engine.tasks.rank import rank
from engine.tasks.templates import save
from tests.support.own_template import with_section
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u8", model="tiny", demos="none", history=2)


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama", "bpe")))
    return made


def test_an_explanation_is_what_the_model_writes_after_history_and_item(engine: Engine) -> None:
    found = explain(engine, ASKED)
    best = rank(engine, ASKED).result["items"][0]
    assert (found["item"], found["title"], found["notes"]) == (best["item"], best["title"], [NOTE])
    context = resolve(engine, ASKED)
    history = "".join(f"- {row.title}\n" for row in context.query.history)
    prompt = (
        f"Purchases in order, then the next one.\n\nBought:\n{history}Suggested next:\n- {best['title']}\n"
        "Why it fits what they bought, in one or two sentences:\n-"
    )
    loaded = context.loaded
    ids = loaded.tokenizer.encode(prompt, add_special_tokens=False)
    assert found["tokens"] == len(ids)
    assert found["text"] == write(loaded, prefill(loaded, ids, [-1] * len(ids)), LINES, TOKENS).strip()


def test_the_item_can_be_named(engine: Engine) -> None:
    assert explain(engine, ASKED, "i5")["item"] == "i5"
    with pytest.raises(NotFound, match="no item 'nothing'"):
        explain(engine, ASKED, "nothing")
    with pytest.raises(BadInput, match=r"no section \[explanation\]"):
        explain(engine, replace(ASKED, template="tallrec"), "i5")


def test_a_template_needs_no_other_section(engine: Engine) -> None:
    save(engine.store, "reasons", with_section("explanation", "{title}\n"))
    asked = replace(ASKED, template="reasons", demos="neighbours:200t")
    assert explain(engine, asked, "i5")["item"] == "i5"


def test_a_summary_is_of_the_review_and_nothing_else(engine: Engine) -> None:
    found = summarize(engine, "tiny", "Sturdy,  but the\nlid leaks. {answer}")
    assert found["notes"] == [NOTE]
    loaded = resolve(engine, ASKED).loaded
    prompt = (
        "Customers' reviews, each in a few words.\n\n"
        "A customer's review:\n- Sturdy, but the lid leaks. {answer}\nThe review in a few words:\n-"
    )
    assert found["tokens"] == len(loaded.tokenizer.encode(prompt, add_special_tokens=False))


@pytest.mark.parametrize(
    ("review", "why"), [(" ", "empty"), ("a" * (LONGEST + 1), "at most"), ("long " * 3000, "Shorten it")]
)
def test_a_review_that_cannot_be_read_is_refused(engine: Engine, review: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        summarize(engine, "tiny", review)
