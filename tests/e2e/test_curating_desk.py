"""Curating in a real browser: undo and redo from the keyboard, a place that is changed by keys alone."""

from typing import Any

import pytest

from db import datasets, sets
from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import first_name, shows, weights
from tests.e2e.waiting import still, until
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def opened(page: Any, dashboard: str) -> None:
    """The desk of a stored run, computed at once from now on."""
    page.goto(f"{dashboard}/?data=simulated&user=shopper+0012&model=embedded")
    page.get_by_text("In one sentence").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("slider").nth(3).wait_for()
    still(page)


def place(page: Any, name: str | None) -> int:
    """Where on the desk a demonstration stands, from 0; -1 while it is not drawn."""
    sliders = page.locator('[class*="st-key-weight-"]')
    classes = sliders.evaluate_all("all => all.map(each => each.className)")
    return next((at for at, each in enumerate(classes) if f"weight-{name}" in each), -1)


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    return store


def test_keys_undo_and_redo(page: Any, dashboard: str, stocked: Store) -> None:
    with FakeEngine(stocked):
        opened(page, dashboard)
        before = weights(page)
        page.get_by_role("slider").first.press("ArrowRight")
        changed = [round(before[0] + 0.1, 1), *before[1:]]
        shows(page, changed)
        page.keyboard.press("Control+z")  # with the slider still in focus
        shows(page, before)
        page.keyboard.press("Control+Shift+z")
        shows(page, changed)


def test_a_demonstration_is_moved_by_keys_alone(page: Any, dashboard: str, stocked: Store) -> None:
    with FakeEngine(stocked):
        opened(page, dashboard)
        moved = first_name(page)
        page.get_by_role("button", name="Move down: demonstration 1").focus()
        page.keyboard.press("Enter")
        until(page, lambda: place(page, moved) == 1, "the first one did not move")
        still(page)
        page.keyboard.press("Alt+ArrowDown")
        until(page, lambda: place(page, moved) == 2, "it did not move on")
        still(page)
        page.keyboard.press("Alt+ArrowUp")
        until(page, lambda: place(page, moved) == 1, "it did not move back")


def test_the_desk_is_saved_and_put_back(page: Any, dashboard: str, stocked: Store) -> None:
    with FakeEngine(stocked):
        opened(page, dashboard)
        before = weights(page)
        page.get_by_role("button", name="Lock: demonstration 2").click()
        page.get_by_role("button", name="Unlock: demonstration 2").wait_for()
        page.get_by_role("button", name="Sets", exact=True).click()
        page.get_by_role("tab", name="Save the desk").click()
        page.get_by_label("Name", exact=True).first.fill("good ones")
        page.get_by_label("Name", exact=True).first.press("Tab")
        page.get_by_role("button", name="Save the set").click()
        page.get_by_text("Saved as good ones").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Clear", exact=True).click()
        page.get_by_role("button", name="Move up: demonstration 2").wait_for(state="detached")
        still(page)
        page.get_by_role("button", name="Sets", exact=True).click()
        page.get_by_role("button", name="Put on the desk").click()
        page.get_by_text("The set good ones").wait_for()
        shows(page, before)
        page.get_by_role("button", name="Unlock: demonstration 2").wait_for()
    kept = sets.get(stocked, datasets.get(stocked, "simulated").id, "good ones")
    assert [use.user_id for use in sets.uses(stocked, kept)] == ["shopper 0012", "shopper 0012"]


def test_what_is_waited_for_and_deleted_sets_lie_over_nothing(
    page: Any, dashboard: str, stocked: Store
) -> None:
    """The line of a pending job stays in its title row however narrow that is."""
    info = datasets.get(stocked, "simulated")
    found = rank(stocked, RunRequest("simulated", "shopper 0012")).result["demonstrations"]
    sets.delete(stocked, sets.save(stocked, info, "gone", sets.members(found)))
    page.set_viewport_size({"width": 1000, "height": 800})
    page.goto(f"{dashboard}/?data=simulated&user=shopper+0003&model=embedded")
    page.get_by_role("button", name="Run", exact=True).click()
    stop = page.locator(".st-key-board-status").get_by_role("button", name="Stop")
    stop.wait_for()
    still(page)
    row = page.locator(".st-key-board-head").bounding_box()
    for each in (page.locator('.st-key-board-status [class*="st-key-watch-"] p').first, stop):
        box = each.bounding_box()
        assert row["y"] - 4 <= box["y"]
        assert box["y"] + box["height"] <= row["y"] + row["height"] + 4
    page.get_by_role("button", name="Sets", exact=True).click()
    deleted = page.get_by_text("Deleted: gone")
    deleted.wait_for()
    above = page.get_by_text("Keep what is on the desk under a name").bounding_box()
    assert deleted.bounding_box()["y"] >= above["y"] + above["height"]


def test_on_a_laptop_rows_stay_in_place_and_what_can_be_done_in_one_line(
    page: Any, dashboard: str, stocked: Store
) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    with FakeEngine(stocked):
        opened(page, dashboard)
        page.get_by_role("button", name="Drop: demonstration 1").click()
        page.get_by_role("link", name="Compare with before").wait_for()
        page.get_by_role("button", name="Report", exact=True).wait_for()
        still(page)
        page.get_by_role("button", name="Drop: demonstration 1").focus()
        rows = page.locator('[class*="st-key-desk-row-"]')
        assert rows.evaluate_all("all => all.map(row => row.scrollLeft)") == [0, 0, 0]
        actions = page.locator(".st-key-desk-actions :is(button, a)")
        boxes = actions.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")
        drawn = [box for box in boxes if box["height"]]
        assert max(box["top"] for box in drawn) < min(box["bottom"] for box in drawn), "in one line"
