"""The desk under quick hands: no movement of a slider is lost or undone while results come in."""

from typing import Any

import pytest

from db import runs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def weights(page: Any) -> list[float]:
    """What the sliders show."""
    return [float(each.input_value()) for each in page.get_by_role("slider").all()]


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
        expected = weights(page)
        for step in range(12):
            row = step // 2 % 4
            page.get_by_role("slider").nth(row).press("ArrowRight")
            expected[row] = round(expected[row] + 0.1, 1)
            page.wait_for_timeout(pause_ms)
        page.wait_for_timeout(300)
        assert weights(page) == expected, "right after the last movement"
        page.get_by_text("Effects if you drop it").wait_for(timeout=15_000)
        page.wait_for_timeout(3000)
        assert weights(page) == expected, "when everything has come in"
        newest = runs.listing(store)[0].request.demonstrations or ()
    assert [each.weight for each in newest] == expected
