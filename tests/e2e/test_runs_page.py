"""Runs in a real browser: a note typed into the table, picked runs compared, deleted and brought back."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from db import runs
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.e2e.tables import HEAD_PX, HEARD_MS, ROW_PX
from tests.e2e.waiting import NotInTime, expect, still, until
from tests.support import shop
from tests.support.fake_engine import FakeEngine, rank

pytestmark = pytest.mark.e2e
BASE = RunRequest("simulated", "shopper 0012")
PICK_X, STAR_X, WHEN_X = 36, 108, 200
TO_NOTE = 9  # columns from the time to the note


@pytest.fixture
def stored(store: Store) -> list[Run]:
    """Three runs of one user, the newest last."""
    shop.stock(store)
    return [rank(store, replace(BASE, demos=demos)) for demos in ("none", "bm25:2", "proximal:2")]


def cell(page: Any, row: int, x: float) -> tuple[float, float]:
    """Where a cell of the table is on the page."""
    canvas = page.locator('[class*="st-key-runs-table"] canvas').first
    canvas.wait_for()
    still(page)
    box = canvas.bounding_box()
    return box["x"] + x, box["y"] + HEAD_PX + ROW_PX * (row + 0.5)


def write(page: Any, note: str) -> None:
    """Write into the note of the first row by the keyboard; again from the beginning where a key was lost."""
    editor = page.locator("#portal textarea")
    for _ in range(5):
        page.mouse.click(*cell(page, 0, WHEN_X))
        for _ in range(TO_NOTE):
            page.keyboard.press("ArrowRight")
            still(page)
        page.keyboard.press("Enter")
        with suppress(NotInTime):
            editor.wait_for(timeout=HEARD_MS)
            editor.fill(note)
            expect(editor).to_have_value(note)
            page.keyboard.press("Enter")
            editor.wait_for(state="hidden", timeout=HEARD_MS)
            return
        page.keyboard.press("Escape")
    raise AssertionError("the note could not be opened")


def test_picked_runs_are_compared_in_one_chart_with_a_name(
    page: Any, dashboard: str, store: Store, stored: list[Run]
) -> None:
    with FakeEngine(store):
        page.goto(f"{dashboard}/runs")
        for row in range(3):
            page.mouse.click(*cell(page, row, PICK_X))
            expect(page.get_by_text(f"{row + 1} run{'s' if row else ''} picked")).to_be_visible()
        still(page)  # what else can be done with three moves the link while it is drawn
        page.get_by_role("link", name="Compare 3 runs").click()
        page.get_by_text("From A to C the target").first.wait_for()
        until(page, lambda: all(run.key in page.url for run in stored), "the link does not name the runs")
        chart = page.locator("svg[role=img][aria-label*='goes from rank']").first
        chart.wait_for()
        assert "Ranks A, B and C: 20 items" in chart.get_attribute("aria-label")
        page.get_by_text("Ranks as a table").click()
        expect(page.locator(".stTable").filter(has_text="target").first).to_be_visible()


def test_deleting_is_undone_and_survives_a_reload(
    page: Any, dashboard: str, store: Store, stored: list[Run]
) -> None:
    with FakeEngine(store):
        page.goto(f"{dashboard}/runs")
        page.mouse.click(*cell(page, 0, PICK_X))
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_text("Deleted 1 run.").wait_for()
        until(page, lambda: runs.count(store) == 2, "the run was not deleted")
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("3 runs; 3 shown.").wait_for()
        page.mouse.click(*cell(page, 0, PICK_X))
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_text("2 runs; 2 shown.").wait_for()
        page.reload()
        page.get_by_text("2 runs; 2 shown.").wait_for()
        page.get_by_text("Deleted runs", exact=True).click()
        page.get_by_text("1 deleted run; 1 shown.").wait_for()
        page.mouse.click(*cell(page, 0, PICK_X))
        page.get_by_role("button", name="Bring back").click()
        until(page, lambda: runs.count(store) == 3, "the run did not come back")


def test_a_star_and_a_note_are_written_where_they_stand(
    page: Any, dashboard: str, store: Store, stored: list[Run]
) -> None:
    newest = stored[-1].key
    with FakeEngine(store):
        page.goto(f"{dashboard}/runs")
        page.mouse.click(*cell(page, 0, STAR_X))
        until(page, lambda: runs.get(store, newest).starred, "no star was stored")
        write(page, "<b>for Monday</b>")
        until(page, lambda: runs.get(store, newest).note == "<b>for Monday</b>", "no note was stored")
        page.goto(f"{dashboard}/runs?q=monday&star=yes")
        page.get_by_text("1 run matches; 1 shown.").wait_for()
