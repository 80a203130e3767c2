"""The desk under quick hands: no movement of a slider is lost or undone while results come in."""

from typing import Any

import pytest

from db import runs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import shows, weights
from tests.e2e.waiting import until
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def measured(store: Store) -> list[float] | None:
    """The weights of the newest run, once its effects are there."""
    newest = runs.listing(store)[0]
    demonstrations = newest.request.demonstrations or ()
    return [each.weight for each in demonstrations] if runs.effects(store, newest.key) else None


def press(page: Any, row: int) -> None:
    """One step up of a slider. A key is lost where the page draws the slider anew in that very moment: that
    is seen at once, and it is pressed again, as a person would. What was seen to move is never undone."""
    slider = page.get_by_role("slider").nth(row)
    before = slider.input_value()
    for _ in range(2):
        slider.press("ArrowRight")
        if slider.input_value() != before:
            return
    raise AssertionError("two keys were lost, one after the other")


@pytest.mark.parametrize("pause_ms", [40, 450])
def test_sliders_moved_while_results_come_in_keep_every_step(
    page: Any, dashboard: str, store: Store, pause_ms: int
) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, delay_s={"rank": 0.35, "effects": 0.5}):
        page.goto(f"{dashboard}/?data=simulated&user=shopper+0012&model=embedded")
        page.get_by_text("In one sentence").wait_for()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("slider").nth(3).wait_for()
        expected = weights(page)
        for step in range(12):
            row = step // 2 % 4
            expected[row] = round(expected[row] + 0.1, 1)
            press(page, row)
            page.wait_for_timeout(pause_ms)
        shows(page, expected)
        until(page, lambda: measured(store) == expected, "the last movement was never ranked and measured")
        page.get_by_text("Effects if you drop it").wait_for()
        shows(page, expected)
