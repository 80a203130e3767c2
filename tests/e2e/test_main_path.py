"""The main path in a real browser: pick a user, add demonstrations, run, weigh, compare, reload the link."""

from typing import Any

import pytest

from dashboard.text.literal import plain
from dashboard.ui.theme import DARK, LIGHT
from db import runs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import move, newest_weights
from tests.e2e.tables import tick
from tests.e2e.waiting import expect, still, until
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def pick_user(page: Any, words: str) -> None:
    """Search for a user and take the first found."""
    page.locator(".st-key-user-search button").first.click()
    page.get_by_role("searchbox").fill(words)
    page.get_by_text("Users: 1 of").wait_for()
    tick(page, "user-table", 0, page.get_by_text("Users: 1 of"), hides=True)


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
        for row, chosen in ((0, "Add 1 demonstration"), (2, "Add 2 demonstrations")):
            tick(page, "pool-table", row, page.get_by_role("button", name=chosen))
        page.get_by_role("button", name="Add 2 demonstrations").click()
        expect(page.get_by_role("slider")).to_have_count(2)

        page.get_by_text("Computed just now").wait_for()
        page.get_by_text("Effects if you drop it").wait_for()
        past = page.locator(".st-key-past-target")
        until(page, lambda: past.inner_text().count("target") == 1, "one target in the past")
        one = runs.listing(store)[0]

        move(page)
        page.wait_for_url("**/*1.1*")
        until(page, lambda: newest_weights(store) == [1.1, 1.0], "the weighed run was never stored")
        two = runs.listing(store)[0]
        page.get_by_text("Effects if you drop it").wait_for()
        still(page)
        link = page.url

        page.get_by_role("link", name="Compare with before").click()
        page.get_by_text("Only what changed").wait_for()
        page.wait_for_url(lambda url: one.key in url and two.key in url)
        page.get_by_text("From A to B the target").wait_for()

    page.goto(link)
    page.get_by_text("In one sentence").wait_for()
    page.get_by_text("first computed").wait_for()
    expect(page.get_by_role("slider").first).to_have_value("1.1")


def test_hostile_titles_are_shown_as_they_are(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    run = rank(store, RunRequest("simulated", "shopper 0000", demos="proximal:2"))
    effects(store, run)
    page.goto(f"{dashboard}/?data=simulated&user=shopper+0000&model=embedded&demos=proximal:2")
    page.get_by_text("In one sentence").wait_for()
    page.get_by_role("slider").first.wait_for()
    still(page)
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
    still(page)
    light, dark = ({theme.up, theme.down, theme.same, theme.target} for theme in (LIGHT, DARK))
    until(page, lambda: colour(dot) in light, "the chart is not drawn in the light theme")
    page.locator("[data-testid=stMainMenu] button, [data-testid=stMainMenuButton]").first.click()
    page.get_by_label("Dark").or_(page.locator("text=Dark")).first.click()
    until(page, lambda: colour(dot) in dark, "the chart is not drawn in the dark theme")


def colour(dot: Any) -> str:
    """The fill of a dot as #rrggbb; empty while the chart is being drawn anew."""
    fill = dot.evaluate("element => getComputedStyle(element).fill").strip("rgb()")
    return "#" + "".join(f"{int(part):02x}" for part in fill.split(",")) if fill else ""
