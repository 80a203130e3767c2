"""Studies and the other lists in a real browser: start, watch, stop, go on, read; nothing blocks ranking."""

from typing import Any

import pytest

from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import expect
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def test_a_study_is_started_stopped_gone_on_with_and_read(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store, {"study step": HELD}) as engine:
        page.goto(f"{dashboard}/studies")
        page.locator("[class*=st-key-study-what]").get_by_role("combobox").click()
        page.get_by_role("option", name="RecICL").click()
        page.get_by_text("Without tuned models their rows are left out.").wait_for()
        page.get_by_role("button", name="Start study").click()
        page.get_by_text("so far: mean over").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Resume").wait_for()
        engine.delay_s["study step"] = 0.5
        page.get_by_role("button", name="Resume").click()
        page.locator(".st-key-verdict").get_by_text("it is better than both").wait_for()
        page.get_by_role("radio", name="AUC", exact=True).click()
        page.get_by_text("Paired tests over users").wait_for()
        expect(page.locator(".stMain")).to_contain_text("no real <b>shopper</b>")
    assert [job.state for job in jobs.listing(store, kinds=["study"])] == [jobs.COMPLETED]


def test_other_lists_open_beside_a_run(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    effects(store, rank(store, RunRequest("simulated", "shopper 0000")))
    with FakeEngine(store):
        page.goto(f"{dashboard}/?data=simulated&user=shopper+0000&model=embedded")
        page.get_by_role("button", name="Other lists").click()
        page.get_by_text("The model ranks").wait_for()
        page.get_by_role("radio", name="popularity").click()
        page.get_by_role("tab", name="Whole catalogue").click()
        page.get_by_text("Searched in 0.84 s").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("slider").first.wait_for()
