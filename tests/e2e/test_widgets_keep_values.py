"""Every widget shows what its link says and reports nothing else, also where draws overtake each other."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from db.requests import Chosen, RunRequest
from db.store import Store
from tests.e2e.desk import weights
from tests.support import shop
from tests.support.fake_engine import FakeEngine, pool, rank

pytestmark = pytest.mark.e2e
LINKS = 30
BUSY = 2  # processes that compute beside the browser
OPTIONS = {"scoring": "mean", "seed": "7", "history": "5"}


@pytest.fixture
def load() -> Iterator[None]:
    """Processes that keep the processor busy, so that draws of the page overtake each other."""
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(BUSY)]
    yield
    for process in busy:
        process.kill()
        process.wait()


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


@pytest.mark.usefixtures("load")
def test_thirty_links_under_load_show_what_they_say(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    wrong = []
    with FakeEngine(store, {"rank": 0.2, "effects": 0.4}):
        for at in range(LINKS):
            asked, given = link(at, store)
            page.goto(f"{dashboard}?{urlencode(asked)}")
            page.get_by_role("button", name="Run", exact=True).dblclick()  # two draws, one after the other
            page.get_by_text("In one sentence").wait_for()
            page.get_by_text("Measured exactly").wait_for()
            shown, before = weights(page), page.url
            page.get_by_role("slider").first.press("ArrowRight")
            page.wait_for_url(lambda url, before=before: url != before)
            moved = [round(given[0] + 0.1, 1), *given[1:]]
            address = [float(part.partition("*")[2] or 1) for part in said(page)["set"].split(",")]
            kept = {name: said(page).get(name) for name in OPTIONS}
            if shown != given or address != moved or kept != OPTIONS:
                wrong.append((asked, shown, address, kept))
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
        history.wait_for()
        assert history.input_value() == "5"
        assert page.get_by_role("spinbutton", name="Seed").first.input_value() == "7"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_timeout(1500)
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
        page.get_by_role("slider").first.press("ArrowRight")
        page.wait_for_url(re.compile(r"1\.1"))
        page.get_by_text("Measured exactly").wait_for()
        page.go_back()
        page.wait_for_url(lambda url: "1.1" not in url)
        for _ in range(200):  # the sliders of the later weights go when the page is drawn to its end
            if weights(page) == [1.0, 1.0]:
                break
            page.wait_for_timeout(50)
        page.wait_for_timeout(1000)
        assert weights(page) == [1.0, 1.0]
        assert "1.1" not in page.url
