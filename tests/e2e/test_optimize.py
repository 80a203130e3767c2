"""Choose for me in a real browser: press, replay, put on the desk, rank; dialogs outlive the work."""

from typing import Any

import pytest

from db import jobs, runs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import newest_weights, shows
from tests.e2e.waiting import expect, still, until
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
LINK = "?data=simulated&user=shopper+0012&model=embedded"


def test_from_optimize_over_the_desk_to_a_ranking(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"optimize step": HELD}) as engine:
        page.goto(f"{dashboard}/{LINK}")
        page.get_by_role("button", name="Optimize").click()
        page.get_by_text("Optimizing").first.wait_for()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("dialog").wait_for(state="hidden")
        page.get_by_text("Optimizing").first.wait_for()  # under the desk's buttons
        page.get_by_role("button", name="Optimize").click()
        page.get_by_role("dialog").wait_for()
        engine.delay_s["optimize step"] = 0.6
        page.get_by_text("Chosen and weighted.").wait_for()
        expect(page.get_by_role("dialog")).to_contain_text("it beats <b>zero-shot</b>")

        for step in (4, 3):
            page.get_by_role("slider", name="Step").press("ArrowLeft")
            page.get_by_role("button", name=f"Put step {step} on the desk").wait_for()
        page.get_by_role("slider", name="Step").press("End")
        page.get_by_role("button", name="Put this on the desk").click()
        page.wait_for_url("**/*1.6*0.7*")
        page.get_by_text("Computed just now").wait_for()
        page.get_by_text("Effects if you drop it").wait_for()
        until(page, lambda: newest_weights(store) == [1.6, 0.7], "what was put on the desk was never ranked")
        shows(page, [1.6, 0.7])
    assert len(jobs.listing(store, kinds=["optimize"])) == 1


def test_a_dialog_stays_open_while_the_work_behind_it_ends(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store, {"effects": HELD}) as engine:
        page.goto(f"{dashboard}/{LINK}")
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_text("Measuring effects").wait_for()
        page.get_by_role("button", name="Edit the titles").first.click()
        answer = page.get_by_label("Then bought", exact=True)
        answer.fill("in my own words")
        engine.delay_s["effects"] = 0.0
        until(page, lambda: runs.effects(store, runs.listing(store)[0].key), "no effects were stored")
        page.wait_for_timeout(1500)  # a dialog that would close does so when the page next looks at its job
        still(page)
        assert answer.input_value() == "in my own words"
        answer.press("Enter")
        page.get_by_role("button", name="Use these titles").click()
        page.get_by_text("in my own words").first.wait_for()
        page.get_by_text("Computed just now").wait_for()
