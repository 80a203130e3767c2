"""Every widget shows what its link says and reports nothing else, also where draws overtake each other."""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from db.requests import Chosen, RunRequest
from db.store import Store
from tests.e2e.desk import move, shows, weights
from tests.e2e.waiting import PATIENCE_MS, expect, still
from tests.support import shop
from tests.support.fake_engine import FakeEngine, pool, rank

pytestmark = pytest.mark.e2e
LINKS = 6
AT_ONCE = 3  # browsers
OPTIONS = {"scoring": "mean", "seed": "7", "history": "5"}


def link(at: int, store: Store) -> tuple[dict[str, str], list[float]]:
    """The parameters of a link and the weights that its desk must show."""
    user = f"shopper {at:04d}"
    asked = {"data": "simulated", "user": user, "model": "embedded", **OPTIONS}
    if at % 2:
        return asked, [1.0] * 4
    views = pool(store, RunRequest("simulated", user))[:3]
    given = [0.4, 1.0, 2.5]
    asked["set"] = ",".join(f"{view['id']}*{weight:g}" for view, weight in zip(views, given, strict=True))
    return asked, given


def said(page: Any) -> dict[str, str]:
    """The parameters of the address bar."""
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def test_links_under_load_show_what_they_say(browser: Any, dashboard: str, store: Store) -> None:
    """Several browsers at once are the load: their draws keep server and processor busy."""
    shop.stock(store)
    contexts = [browser.new_context(viewport={"width": 1440, "height": 900}) for _ in range(AT_ONCE)]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.set_default_timeout(PATIENCE_MS)
    wrong = []
    with FakeEngine(store, {"rank": 0.2, "effects": 0.4}):
        for first in range(0, LINKS, AT_ONCE):
            links = [link(at, store) for at in range(first, first + AT_ONCE)]
            for page, (asked, _) in zip(pages, links, strict=True):
                page.goto(f"{dashboard}?{urlencode(asked)}", wait_until="commit")
            for page in pages:
                page.get_by_role("button", name="Run", exact=True).dblclick()  # two draws, overtaking
            for page, (asked, given) in zip(pages, links, strict=True):
                page.get_by_text("In one sentence").wait_for()
                page.get_by_text("Measured exactly").first.wait_for()  # both questions may have their answer
                still(page)
                shown = weights(page)
                move(page)
                moved = [round(given[0] + 0.1, 1), *given[1:]]
                address = [float(part.partition("*")[2] or 1) for part in said(page)["set"].split(",")]
                kept = {name: said(page).get(name) for name in OPTIONS}
                if shown != given or address != moved or kept != OPTIONS:
                    wrong.append((asked, shown, address, kept))
    for context in contexts:
        context.close()
    assert not wrong


def test_options_are_only_looked_at(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    asked = {"data": "simulated", "user": "shopper 0003", "model": "embedded", **OPTIONS}
    with FakeEngine(store, {"rank": 0.3}):
        page.goto(f"{dashboard}?{urlencode(asked)}")
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_text("In one sentence").wait_for()
        page.get_by_role("button", name="Options").click()
        history = page.get_by_role("spinbutton", name="History items")
        expect(history).to_have_value("5")
        expect(page.get_by_role("spinbutton", name="Seed").first).to_have_value("7")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Run", exact=True).click()
        still(page)
        assert {name: said(page).get(name) for name in OPTIONS} == OPTIONS


def test_a_weight_taken_over_from_outside_is_shown(page: Any, dashboard: str, store: Store) -> None:
    """Back in the browser brings the weights of the address, and nothing writes the later ones back."""
    shop.stock(store)
    views = pool(store, RunRequest("simulated", "shopper 0003"))[:2]
    chosen = tuple(Chosen(view["id"]) for view in views)
    rank(store, RunRequest("simulated", "shopper 0003", demonstrations=chosen))
    asked = {"data": "simulated", "user": "shopper 0003", "model": "embedded"}
    asked["set"] = ",".join(view["id"] for view in views)
    with FakeEngine(store):
        page.goto(f"{dashboard}?{urlencode(asked)}")
        page.get_by_text("In one sentence").wait_for()
        move(page)
        page.wait_for_url(re.compile(r"1\.1"))
        page.get_by_text("Measured exactly").first.wait_for()  # both questions may have their answer
        page.go_back()
        page.wait_for_url(lambda url: "1.1" not in url)
        shows(page, [1.0, 1.0])
        assert "1.1" not in page.url
