"""What a page shows of the user, model or weights before is hidden or greyed while the new answer is made."""

from typing import Any

import pytest

from db import models
from db.models import ModelInfo
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
SECONDS = 4

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
    sentence: seen('.st-key-verdict p')}), 50);
}"""


def watch(page: Any, click: Any) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What was seen before the click, and in each moment after it, up to the new answer and beyond."""
    page.evaluate(SAMPLE)
    page.wait_for_timeout(300)
    click()
    page.wait_for_timeout(SECONDS * 1000)
    samples = page.evaluate("() => { clearInterval(window.sampler); return window.samples }")
    return samples[0], samples


def outdated(before: dict[str, str], samples: list[dict[str, str]]) -> set[str]:
    """The parts that were shown as current although another user or model had been chosen."""
    changed = [sample for sample in samples if sample["asked"] != before["asked"]]
    assert changed, "nothing was chosen"
    late = changed[4:24]  # after the browser has drawn the parts one by one, before the new answer
    parts = ("list", "target", "sentence")
    return {part for sample in late for part in parts if sample[part] == before[part]}


def test_another_user_hides_the_answer_of_the_one_before(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": 1.5, "effects": 0.7}):
        page.goto(dashboard)
        page.get_by_text("Measured exactly").first.wait_for()
        surprise = page.get_by_role("button", name="Surprise me")
        before, samples = watch(page, surprise.click)
        assert not outdated(before, samples)
        assert samples[-1]["list"]
        assert samples[-1]["list"] != before["list"]


def test_another_model_hides_the_effects_of_the_one_before(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    models.register(store, ModelInfo("second", "/second", "r2", "Toy", 1000, 128))
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": 2.0, "effects": 2.0}):
        page.goto(dashboard)
        page.get_by_text("Measured exactly").first.wait_for()

        def pick() -> None:
            page.locator(".st-key-pick-model").get_by_role("combobox").click()
            page.get_by_role("option", name="second").click()

        before, samples = watch(page, pick)
        assert "sentence" not in outdated(before, samples)
        assert "list" not in outdated(before, samples)
        page.get_by_text("Ranking").first.wait_for(state="hidden")
