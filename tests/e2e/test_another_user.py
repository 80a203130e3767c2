"""What a page shows of the user, model or weights before is hidden or greyed while the new answer is made."""

from collections.abc import Callable
from typing import Any

import pytest

from db import models
from db.models import ModelInfo
from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import still, until
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, rank

pytestmark = pytest.mark.e2e

# Samples what a person can see, every 50 ms: the user's field, the model's, and what belongs to an answer.
SAMPLE = """() => {
  const seen = selector => [...document.querySelectorAll(selector)]
    .filter(e => getComputedStyle(e).visibility === 'visible' && parseFloat(getComputedStyle(
      e.closest('.st-key-board, .st-key-verdict, .st-key-effects, .st-key-past-target') || e).opacity) > 0.9)
    .map(e => e.innerText).join('|');
  window.samples = [];
  window.sampler = setInterval(() => window.samples.push({
    asked: seen('.st-key-user-field button') + document.querySelector('.st-key-pick-model input').value,
    list: seen('.st-key-board .ranks'), target: seen('.st-key-past-target .whole'),
    sentence: seen('.st-key-verdict p'),
    waits: document.body.innerText.includes('Ranking') ? 'yes' : ''}), 50);
}"""
ENDLESS = """document.getAnimations()
  .filter(each => each.effect.getComputedTiming().iterations === Infinity)
  .map(each => each.effect.target.className)"""
Sample = dict[str, str]
LEAST = 20  # moments of waiting: about a second


def watch(page: Any, engine: FakeEngine, click: Callable[[], None]) -> tuple[Sample, list[Sample]]:
    """What was seen before the click, and in each moment after it, up to the new answer and beyond.

    The answer is held back until the page has waited for it, however slow the machine is.
    """

    def samples() -> list[Sample]:
        return page.evaluate("() => window.samples")

    still(page)
    page.evaluate(SAMPLE)
    until(page, samples, "nothing is sampled")
    before = samples()[0]
    click()
    until(page, lambda: len(waiting(before, samples())) >= LEAST, "the page never waited for the new answer")
    engine.delay_s["rank"] = 0.0
    until(page, lambda: answered(samples()[-1]), "the new answer never came")
    still(page)
    return before, samples()


def answered(sample: Sample) -> bool:
    """Whether the page shows a list and waits for none."""
    return bool(sample["list"]) and not sample["waits"]


def waiting(before: Sample, samples: list[Sample]) -> list[Sample]:
    """The moments in which another one was chosen and the page said that it waits for the answer."""
    return [each for each in samples if each["asked"] != before["asked"] and each["waits"]]


def outdated(before: Sample, samples: list[Sample]) -> set[str]:
    """The parts that were shown as current while the page waited for the answer about another one."""
    parts = ("list", "target", "sentence")
    return {part for each in waiting(before, samples) for part in parts if each[part] == before[part]}


def test_another_user_hides_the_answer_of_the_one_before(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": HELD, "effects": 0.7}) as engine:
        page.goto(dashboard)
        page.get_by_text("Measured exactly").first.wait_for()
        surprise = page.get_by_role("button", name="Surprise me")
        before, samples = watch(page, engine, surprise.click)
        assert not outdated(before, samples)
        assert samples[-1]["list"] != before["list"]


def test_nothing_moves_while_a_page_waits(page: Any, dashboard: str, store: Store) -> None:
    """What moves takes the processor from the engine that is waited for."""
    shop.stock(store)
    with FakeEngine(store, {"rank": HELD}) as engine:
        page.goto(f"{dashboard}/?data=simulated&user=shopper%200012")
        run = page.get_by_role("button", name="Run", exact=True)
        run.wait_for()
        still(page)
        run.click()
        page.get_by_test_id("stSkeletonElement").first.wait_for()
        page.get_by_role("button", name="Stop", exact=True).wait_for()
        still(page)
        assert page.evaluate(ENDLESS) == []
        engine.delay_s["rank"] = 0.0


def test_another_model_hides_the_effects_of_the_one_before(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    models.register(store, ModelInfo("second", "/second", "r2", "Toy", 1000, 128))
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": HELD, "effects": 0.7}) as engine:
        page.goto(dashboard)
        page.get_by_text("Measured exactly").first.wait_for()

        def pick() -> None:
            page.locator(".st-key-pick-model").get_by_role("combobox").click()
            page.get_by_role("option", name="second").click()

        before, samples = watch(page, engine, pick)
        assert not {"sentence", "list"} & outdated(before, samples)
        page.get_by_text("Ranking").first.wait_for(state="hidden")
