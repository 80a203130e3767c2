"""Compare in a real browser: its address, the browser's Back, and a chosen run as time passes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.e2e.waiting import navigate, still
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
BASE = RunRequest("simulated", "shopper 0012")


@pytest.fixture
def stored(store: Store) -> tuple[Run, Run]:
    """Two runs of one user with their effects."""
    shop.stock(store)
    runs = (rank(store, BASE), rank(store, replace(BASE, demos="proximal:2")))
    for run in runs:
        effects(store, run)
    return runs


def wait_for_query(page: Any, holds: Callable[[str], bool]) -> None:
    """Until the address's parameters are as wanted."""
    page.wait_for_url(lambda url: holds(url.partition("?")[2]))


def test_back_leaves_compare_with_one_click_and_undoes_a_swap_with_one(
    page: Any, dashboard: str, store: Store, stored: tuple[Run, Run]
) -> None:
    a, b = (run.key for run in stored)
    with FakeEngine(store):
        page.goto(f"{dashboard}/guide")
        page.get_by_role("heading", name="Dualens").first.wait_for()
        navigate(page, "Compare")
        wait_for_query(page, lambda query: query == f"a={a}&b={b}")
        page.get_by_role("button", name="Swap A and B").click()
        wait_for_query(page, lambda query: query == f"a={b}&b={a}")
        page.get_by_text("From A to B the target").first.wait_for()
        page.go_back()
        wait_for_query(page, lambda query: query == f"a={a}&b={b}")
        page.get_by_text("From A to B the target").first.wait_for()
        page.go_back()
        page.wait_for_url("**/guide*")


def test_cells_stand_under_their_heads(
    page: Any, dashboard: str, store: Store, stored: tuple[Run, Run]
) -> None:
    """Streamlit gives the first cell of a row another edge than its head."""
    a, b = (run.key for run in stored)
    with FakeEngine(store):
        page.goto(f"{dashboard}/compare?a={a}&b={b}")
        page.get_by_text("From A to B the target").first.wait_for()
        still(page)
        edges = """table => [...table.querySelectorAll('tr')].map(row => [...row.children].map(cell =>
            cell.querySelector('p').getBoundingClientRect().x))"""
        rows = page.get_by_test_id("stTable").first.evaluate(edges)
    assert len(rows) > 2
    assert all(row == rows[0] for row in rows)


def test_a_reload_of_explain_keeps_its_run(
    page: Any, dashboard: str, store: Store, stored: tuple[Run, Run]
) -> None:
    older, newer = (run.key for run in stored)
    with FakeEngine(store):
        page.goto(f"{dashboard}/explain")
        wait_for_query(page, lambda query: query == f"run={newer}")
        rank(store, replace(BASE, demos="bm25:2"))
        page.reload()
        page.get_by_text("How far to trust them").wait_for()
        wait_for_query(page, lambda query: query == f"run={newer}")
        still(page)
        page.get_by_role("combobox", name="Run", exact=True).click()
        page.get_by_role("option").filter(has_text=older[:6]).click()
        wait_for_query(page, lambda query: query == f"run={older}")
