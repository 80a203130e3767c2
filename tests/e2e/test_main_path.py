"""The main path in a real browser: pick a user, add demonstrations, run, weigh, compare, reload the link."""

from typing import Any

import pytest

from dashboard.text.literal import plain
from dashboard.ui.theme import DARK, LIGHT
from db import runs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
ROW_PX, HEAD_PX, BOX_X = 35, 35, 18  # Streamlit draws tables on a canvas: rows are found by position


def select_rows(page: Any, key: str, *rows: int) -> None:
    """Tick rows of the table with this key."""
    canvas = page.locator(f'[class*="st-key-{key}"] canvas').first
    canvas.wait_for()
    for row in rows:
        box = canvas.bounding_box()
        page.mouse.click(box["x"] + BOX_X, box["y"] + HEAD_PX + ROW_PX * (row + 0.5))
        page.wait_for_timeout(600)


def pick_user(page: Any, words: str) -> None:
    """Search for a user and take the first found."""
    page.locator(".st-key-user-search button").first.click()
    page.get_by_role("searchbox").fill(words)
    page.get_by_text("Users: 1 of").wait_for()
    select_rows(page, "user-table", 0)


def test_the_main_path(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    first = rank(store, RunRequest("simulated", "shopper 0012"))
    effects(store, first)
    with FakeEngine(store):
        page.goto(dashboard)
        page.get_by_text("In one sentence").wait_for()

        pick_user(page, "0017")
        page.wait_for_url("**user=shopper+0017*")
        page.get_by_text("Measured exactly").first.wait_for()
        page.get_by_role("button", name="Fill by").click()
        page.locator(".st-key-fill-name").get_by_role("combobox").click()
        page.get_by_role("option", name="no demonstrations").click()
        page.get_by_role("button", name="Fill the desk").click()
        page.get_by_text("No demonstrations").wait_for()

        page.get_by_role("button", name="Add…").click()
        select_rows(page, "pool-table", 0, 2)
        page.get_by_role("button", name="Add 2 demonstrations").click()
        page.get_by_role("slider").nth(1).wait_for()
        assert page.get_by_role("slider").count() == 2

        page.get_by_text("Computed just now").wait_for()
        page.get_by_text("Effects if you drop it").wait_for()
        assert page.locator(".st-key-past-target").inner_text().count("target") == 1
        one = runs.listing(store)[0]

        page.get_by_role("slider").first.press("ArrowRight")
        page.wait_for_url("**/*1.1*")
        page.get_by_role("link", name="Compare with before").wait_for()
        page.get_by_text("Effects if you drop it").wait_for()
        two = runs.listing(store)[0]
        assert [each.weight for each in two.request.demonstrations or ()] == [1.1, 1.0]
        link = page.url

        page.get_by_role("link", name="Compare with before").click()
        page.get_by_text("Only what changed").wait_for()
        assert one.key in page.url
        assert two.key in page.url
        page.get_by_text("From A to B the target").wait_for()

    page.goto(link)
    page.get_by_text("In one sentence").wait_for()
    page.get_by_text("first computed").wait_for()
    page.get_by_role("slider").first.wait_for()
    assert page.get_by_role("slider").first.input_value() == "1.1"


def test_hostile_titles_are_shown_as_they_are(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    run = rank(store, RunRequest("simulated", "shopper 0000", demos="proximal:2"))
    effects(store, run)
    page.goto(f"{dashboard}/?data=simulated&user=shopper+0000&model=embedded&demos=proximal:2")
    page.get_by_text("In one sentence").wait_for()
    page.get_by_role("slider").first.wait_for()
    seen = page.locator(".stMain").inner_text()
    for view in run.result["demonstrations"]:
        assert plain(view["answer"]["title"]) in seen
    assert plain(run.result["target"]["title"], 60) in seen
    for selector in ("script:not([src])", "img[src='x']", "a[href*='example.com']", ".katex", ".stMain code"):
        assert page.locator(f".st-key-card-desk {selector}").count() == 0, selector
        assert page.locator(f".st-key-card-history {selector}").count() == 0, selector


def test_a_deep_link_of_the_first_visitor_opens_inside_the_frame(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    page.goto(f"{dashboard}/library?shelf=Models")
    page.get_by_text("Causal language models the engine can load").wait_for()
    page.get_by_role("heading", name="Dualens").wait_for()
    page.get_by_text("no engine").wait_for()
    page.get_by_role("tab", name="Storage").click()
    page.get_by_text("Everything stays on this machine").wait_for()


def test_a_switched_theme_reaches_the_charts(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    page.goto(dashboard)
    dot = page.locator(".st-key-bump .point").first
    dot.wait_for()
    page.wait_for_timeout(1000)
    assert colour(dot) in (LIGHT.up, LIGHT.down, LIGHT.same, LIGHT.target)
    page.locator("[data-testid=stMainMenu] button, [data-testid=stMainMenuButton]").first.click()
    page.get_by_label("Dark").or_(page.locator("text=Dark")).first.click()
    for _ in range(100):
        if colour(dot) in (DARK.up, DARK.down, DARK.same, DARK.target):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the chart stayed {colour(dot)}")


def colour(dot: Any) -> str:
    """The fill of a dot as #rrggbb; empty while the chart is being drawn anew."""
    fill = dot.evaluate("element => getComputedStyle(element).fill").strip("rgb()")
    return "#" + "".join(f"{int(part):02x}" for part in fill.split(",")) if fill else ""
