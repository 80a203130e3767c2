"""What people do most, and how long they wait for it: a real browser, an engine, nothing else.

    python -m tests.load.actions                ten actions, 8 times each: the figures of the documentation
    python -m tests.load.actions --times 2
    python -m tests.load.actions --model FOLDER  those of the desk, with a model that takes seconds

Each wait is from the click or key to the moment in which what was asked for is drawn. Everything runs in a
workspace of its own, with the embedded model on the simulated store unless another one's folder is given, in
a window of 1440 x 900 pixels.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db import datasets, runs
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.load.people import engine
from tests.load.slider import Desk, at, begin, chromium, opened, opening
from tests.support.server import SERVE, served

GIVEN = "given"  # the name of a model whose folder was given
EFFECTS = "svg[aria-label^='Effect of each demonstration']:not([aria-label*='Not measured yet'])"


@dataclass
class Waits:
    """Milliseconds of each action."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, what: str, act: Callable[[], Any], done: Callable[[], Any]) -> None:
        """One more: from before `act` to after `done`."""
        start = time.perf_counter()
        act()
        done()
        self.of.setdefault(what, []).append(1000 * (time.perf_counter() - start))


def measure(times: int, folder: Path, model: str | None = None) -> dict[str, list[float]]:
    """All waits by action; with a model's folder those of the desk alone, with that model."""
    home = folder / "home"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")
    waits = Waits()
    with (
        engine(settings),
        Store.open(settings) as store,
        served(settings, SERVE) as url,
        chromium() as browser,
    ):
        opening(browser, store, url)  # what a server does once is not measured
        if model is not None:
            Engine(store, settings).register(GIVEN, model)
        for _ in range(times if model is None else 0):
            waits.of.setdefault("open the first page in a new window", []).append(
                opening(browser, store, url).total
            )
        with opened(browser, store) as desk:
            at_the_desk(desk, url, times, waits, "embedded" if model is None else GIVEN)
            if model is None:
                other_pages(desk, times, waits)
    return waits.of


def at_the_desk(desk: Desk, url: str, times: int, waits: Waits, model: str) -> None:
    """Run, effects, a weight moved and put back."""
    page, info = desk.page, datasets.get(desk.store, "simulated")
    address = ""
    for number in range(times):
        user = datasets.random_user(desk.store, info.id, 100 + number, 8).user_id
        address = f"{url}/?data=simulated&user={user}&model={model}"
        page.goto(address)
        run = page.get_by_role("button", name="Run", exact=True)
        run.wait_for()
        desk.rest()
        waits.timed("Run: the list of another user", run.click, desk.until_shown)
        waits.timed("then: first bars", lambda: None, page.locator(EFFECTS).wait_for)
        waits.timed("then: the last pass of the effects", lambda: None, desk.rest)
    page.goto(address)
    begin(desk)
    for number in range(times):
        for what, key in (("move a weight: a new list", "ArrowRight"), ("put it back", "ArrowLeft")):
            moved = desk.press(number % 4, key)
            if moved is not None:
                waits.of.setdefault(what, []).append(moved.total)
        desk.press(number % 4, "ArrowRight")  # so that the next move is another list


def other_pages(desk: Desk, times: int, waits: Waits) -> None:
    """Runs, Compare, Explain and a report, from the navigation."""
    page = desk.page
    pages = {
        "open Runs": ("Runs", page.locator('[class*="st-key-runs-table"] canvas').first),
        "open Compare": ("Compare", page.locator("svg[aria-label^='Ranks A']").first),
        "open Explain": ("Explain", page.get_by_role("button", name="Open in Recommend")),
    }
    users = [run.user_id for run in runs.listing(desk.store, limit=times)]
    for number in range(times):
        for what, (title, shows) in pages.items():
            link = page.get_by_test_id("stSidebar").get_by_role("link", name=title, exact=True)
            waits.timed(what, link.click, shows.wait_for)
            desk.rest()
            if title == "Runs":
                _find(desk, users[number], waits)
        waits.timed("download the report of a run", lambda: _report(page), lambda: None)
        desk.rest()


def _report(page: Any) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Report", exact=True).click()
    download.value.path()  # written to its end


def _find(desk: Desk, word: str, waits: Waits) -> None:
    """Search the runs for a user."""
    box = desk.page.get_by_role("textbox", name="Find runs")

    def typed() -> None:
        box.fill(word)
        box.press("Enter")

    named = re.compile(rf"[?&]q=[^&]*{re.escape(word[-3:])}")
    waits.timed("find runs", typed, lambda: desk.page.wait_for_url(named))
    desk.rest()
    box.fill("")
    box.press("Enter")
    desk.rest()


def table(waits: dict[str, list[float]]) -> str:
    """The waits as Markdown."""
    lines = ["| from click or key to what was asked for | times | p50 ms | longest ms |", "|---|---|---|---|"]
    for what, values in waits.items():
        row = (len(values), f"{statistics.median(values):.0f}", f"{at(values, 1.0):.0f}")
        lines.append(f"| {what} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.actions", description=__doc__)
    parser.add_argument("--times", type=int, default=8)
    parser.add_argument("--model", help="the folder of a model")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(table(measure(asked.times, Path(folder), asked.model)))


if __name__ == "__main__":
    main()
