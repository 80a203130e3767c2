"""A tuning in a real browser: started, watched while it learns, stopped, resumed, taken to Recommend."""

from typing import Any

import pytest

from db import jobs
from db.store import Store
from tests.e2e.waiting import expect, navigate, still
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine

pytestmark = pytest.mark.e2e


def test_a_tuning_from_start_to_recommend(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store, {"tune point": HELD}) as engine:
        page.goto(f"{dashboard}/tune")
        page.get_by_text("No tuning yet").wait_for()
        page.get_by_role("button", name="Start tuning").click()
        card = page.locator(".st-key-card-tuning")
        card.locator(".js-plotly-plot").first.wait_for()
        for words in ("Best on held-out", "Before the training, the loss on held-out answers was 5.300"):
            expect(card).to_contain_text(words)
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_text("it resumes from its last checkpoint").wait_for()
        engine.delay_s["tune point"] = 0.5
        assert jobs.listing(store)[0].state == jobs.STOPPED

        page.get_by_role("button", name="Resume").click()
        page.get_by_text("It ended because the time was up.").wait_for()
        page.get_by_role("button", name="Open in Recommend").click()
        page.wait_for_url("**model=simulated-recicl*")
    assert [job.state for job in jobs.listing(store, kinds=["tune"])] == [jobs.COMPLETED]


def test_the_form_keeps_its_choices_while_the_curve_grows_and_across_pages(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    with FakeEngine(store, {"tune point": HELD}) as engine:
        page.goto(f"{dashboard}/tune")
        page.get_by_role("button", name="Start tuning").click()
        page.locator(".st-key-card-tuning .js-plotly-plot").first.wait_for()
        minutes = page.locator(".st-key-tune-minutes input")
        minutes.fill("42")
        engine.delay_s["tune point"] = 0.3
        page.get_by_text("It ended because the time was up.").wait_for()
        still(page)
        assert minutes.input_value() == "42"
        minutes.press("Enter")
        page.get_by_text("at most 42 min").wait_for()
        navigate(page, "Library")
        page.get_by_text("Who interacted with what").wait_for()
        page.mouse.move(800, 450)  # off the link, whose tooltip lies over its neighbour
        navigate(page, "Tune")
        page.get_by_text("at most 42 min").wait_for()
        expect(page.locator(".st-key-tune-minutes input")).to_have_value("42")
