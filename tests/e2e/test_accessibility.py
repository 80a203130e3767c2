"""Every page in both themes: no serious finding of axe-core, no gap in the headings; the menu is ours.

Needs axe-core beside this file (`npm ci --prefix tests/e2e`); skipped where it is not installed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from db import jobs, judging
from db.requests import ExperimentRequest, RunRequest
from db.store import Store
from tests.e2e.waiting import PATIENCE_MS, NotInTime, expect, script, still, until
from tests.support import fake_experiment, fake_explain, shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
OPEN = "[role=dialog], [data-testid=stPopoverBody], [data-testid=stTooltipContent]"
CLOSES_MS = 1_000
FOUND = """async rules => (await axe.run(document, {resultTypes: ["violations"], ...rules})).violations
  .filter(found => ["serious", "critical"].includes(found.impact) || found.id === "heading-order")
  .flatMap(found => found.nodes.map(node => `${found.id}: ${node.html.slice(0, 160)} | ` +
    [...node.any, ...node.all].map(check => check.message).join(" ").slice(0, 220)))"""

NAMELESS = """[...document.querySelectorAll(".stPlotlyChart:not([aria-label]), .stImage img:not([alt])")]
  .map(drawn => `no alternative: ${drawn.outerHTML.slice(0, 160)}`)"""

# Each place is opened once and drawn in both themes; what has no colour is the same in the second.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
THEMES = {"light": {}, "dark": {"runOnly": COLOURS}}
THEMED = "theme => getComputedStyle(document.documentElement).colorScheme === theme"
SETTLED = "!document.querySelector('[class^=old-], [class^=gone-]')"  # else pale: inactive
MOVED = """document.getAnimations().every(each => each.playState !== "running"
  || each.effect.getComputedTiming().endTime === Infinity)"""  # what opened has faded in
FADED_MS = 2_000  # a part that was pale while its page was drawn again is whole
CUT = "title => title.scrollHeight > title.clientHeight + 1 || title.scrollWidth > title.clientWidth + 1"
Step = Callable[[Any], None]


def press(name: str) -> Step:
    """Click a button and wait for what it opens."""

    def step(page: Any) -> None:
        page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}")).first.click()
        page.locator(OPEN).first.wait_for()

    return step


def tab(name: str) -> Step:
    """Open a tab."""

    def step(page: Any) -> None:
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tab", name=name, selected=True).wait_for()

    return step


def run(page: Any) -> None:
    """Rank, and wait for the page's sentence."""
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("In one sentence").wait_for()


def click(selector: str) -> Step:
    """Click the first of what a selector finds."""

    def step(page: Any) -> None:
        page.locator(selector).first.click()
        page.locator(OPEN).first.wait_for()

    return step


def hover(selector: str) -> Step:
    """Point at the first of what a selector finds."""

    def step(page: Any) -> None:
        page.locator(selector).first.hover()
        page.locator(OPEN).first.wait_for()

    return step


def edit_template(page: Any) -> None:
    """The editor of prompt templates, with a prompt in it."""
    press("Options")(page)
    press("New from this one")(page)
    page.locator(".prompt").wait_for()


def add(by_effect: bool) -> Step:
    """The pool, in the order of its effects on the target or not; the page remembers which."""

    def step(page: Any) -> None:
        press("Add…")(page)
        toggle = page.locator("label", has_text="By predicted effect")
        if toggle.locator("input").is_checked() != by_effect:
            toggle.click()
        warning = page.get_by_text("This order has seen the target")
        warning.wait_for(state="visible" if by_effect else "hidden")

    return step


def look(page: Any) -> None:
    """Nothing to open: the page as it is."""


@dataclass(frozen=True)
class Place:
    """An address, a text to wait for, and what is opened there one after the other, closed by Escape."""

    address: str
    words: str
    opened: dict[str, Step] = field(default_factory=lambda: {"page": look})


EXPLAINED = {
    "tokens": "All tokens add up",
    "orders": "Over 2 orders",
    "pairs": "measured with the effects",
    "build": "All of them change",
    "controls": "The demonstrations change",
    "stability": "Perturbation spread",
    "inside": "25 % of the step",
}
"""What each section of Explain says once it is drawn."""

PLACES = (
    Place(
        "?{run}",
        "Recommendations",
        {
            "page": run,
            "options": press("Options"),
            "template": edit_template,
            "user": click(".st-key-user-search button"),
            "fill": press("Fill by"),
            "add": add(by_effect=False),
            "add by effect": add(by_effect=True),
            "other lists": press("Other lists"),
            "history": press("All"),
            "optimize": press("Optimize"),
            "edit": press("Edit"),
            "tooltip": hover("[data-testid=stTooltipIcon]"),
        },
    ),
    Place("compare?a=nothing", "nothing"),
    Place("explain?run={key}", "All numbers"),
    *(Place(f"explain?run={{key}}&part={part}", words) for part, words in EXPLAINED.items()),
    Place("compare?a={other}&b={key}", "From A to B"),
    Place("compare?a={unlike}&b={key}", "do not compare"),
    Place("compare?a={other}&b={key}&c={other}&d={key}", "From A to D"),
    Place("runs", "that rank a target"),
    Place("runs?deleted=yes&q=nothing", "0 deleted runs match"),
    Place("judge", "New blind comparison"),
    Place("judge?comparison={judging}", "In one sentence"),
    Place("judge?judge={token}", "Your name"),
    Place("judge?judge={token}&as=Ana", "Pair 1 of 1"),
    Place("studies", "Start study", {"page": look, "options": press("More options")}),
    Place("experiments", "Start experiment", {"page": look, "file": press("Open a YAML file")}),
    Place("experiments?experiment={experiment}", "Differences in NDCG@10"),
    Place("tune", "Start tuning", {"page": look, "options": press("More options")}),
    Place(
        "library",
        "Who",
        {"data": tab("Data sets"), "models": tab("Models"), "jobs": tab("Jobs"), "bin": tab("Storage")},
    ),
    Place("present", "Starred ones first"),
    *(Place(f"present?of={{key}}&step={step}", f"{step} of 5") for step in range(1, 6)),
    Place("present?of={unlike},{key}&step=1", "do not compare"),
    Place("guide", "Dualens"),
    Place("guide?doc=choices", "Choices"),
    Place("guide?doc=commands", "Commands"),
)
EMPTY = (
    Place("", "yet"),
    Place("explain", "yet"),
    Place("compare", "yet"),
    Place("runs", "yet"),
    Place("studies", "yet"),
    Place("experiments", "yet"),
    Place("tune", "yet"),
    Place("library", "Import"),
)


def prepare(store: Store) -> dict[str, str]:
    """Three runs of one user in a stocked store; the placeholders of `PLACES` by name."""
    user = "shopper 0012"
    other = rank(store, RunRequest("simulated", user, demos="none"))
    unlike = rank(store, RunRequest("simulated", user, seed=7))
    run = rank(store, RunRequest("simulated", user))
    effects(store, run)
    for part in fake_explain.PARTS:
        jobs.submit(store, "explain", {"part": part, "request": run.request.to_json(), "run": run.key})
    made = judging.make(store, judging.with_and_without([run.key]))
    found, other_one = (judging.create(store, name, made) for name in ("one", "two"))
    judging.join(store, found, "Ana")
    judging.record(store, other_one, judging.join(store, other_one, "Ana"), 0, "b", "So.")
    asked = ExperimentRequest("simulated", users=20, baselines=("popularity",))
    job = jobs.submit(store, "experiment", asked.to_json())
    jobs.claim(store, "test", job_id=job.id)
    jobs.finish(store, job.id, "test", fake_experiment.result(store, asked))
    keys = {"experiment": str(job.id), "judging": str(other_one.id), "token": found.token}
    keys |= {"key": run.key, "other": other.key, "unlike": unlike.key}
    return {"run": "data=simulated&user=shopper+0012&model=embedded", **keys}


def findings(page: Any, base: str, places: tuple[Place, ...], names: dict[str, str]) -> dict[str, list[str]]:
    """What axe-core holds against each place at the size of a laptop, by address, what was opened and theme;
    only where there is any."""
    found = {}
    page.set_viewport_size({"width": 1280, "height": 800})
    for place in places:
        page.emulate_media(color_scheme="light")
        page.goto(f"{base}/{place.address.format_map(names)}")
        page.locator(".stMain").get_by_text(place.words).first.wait_for()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for theme, rules in THEMES.items():
            switch(page, theme)
            for name, step in place.opened.items():
                step(page)
                still(page)
                script(page, SETTLED)
                script(page, MOVED)
                found[f"{place.address} {name} {theme}"] = lasting(page, rules)
                close(page)
    return {name: lines for name, lines in found.items() if lines}


def switch(page: Any, theme: str) -> None:
    """Have the page drawn in this theme. What Python draws follows with the next run: a key asks for it."""
    page.emulate_media(color_scheme=theme)
    still(page)
    if not page.evaluate(THEMED, theme):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("r")
    script(page, THEMED, arg=theme)


def close(page: Any) -> None:
    """Close what was opened, with Escape; once more where it closed a tooltip or a dialog still opened."""
    page.mouse.move(5, 5)  # off what has a tooltip
    opened = page.locator(OPEN)
    for _ in range(PATIENCE_MS // CLOSES_MS):
        if not opened.count():
            return
        page.keyboard.press("Escape")
        with suppress(NotInTime):
            opened.first.wait_for(state="hidden", timeout=CLOSES_MS)
    raise AssertionError("Escape does not close what was opened")


def lasting(page: Any, rules: dict[str, Any]) -> list[str]:
    """What axe-core holds against the page, twice in a row: a part drawn again is pale for a moment."""
    first = page.evaluate(FOUND, rules) + page.evaluate(NAMELESS)
    if not first:
        return []
    still(page)
    page.wait_for_timeout(FADED_MS)
    second = page.evaluate(FOUND, rules) + page.evaluate(NAMELESS)
    return [line for line in second if line in first]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci --prefix tests/e2e")
def test_no_serious_finding(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store):
        assert findings(page, dashboard, PLACES, prepare(store)) == {}


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci --prefix tests/e2e")
def test_no_serious_finding_on_an_empty_store_without_an_engine(page: Any, dashboard: str) -> None:
    assert findings(page, dashboard, EMPTY, {}) == {}


def test_the_menu_holds_our_entries_and_the_theme(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    page.goto(f"{dashboard}/guide")
    page.get_by_role("button", name="Main menu").click()
    menu = page.locator("[data-testid=stMainMenuPopover]")
    expect(menu.get_by_role("menuitem")).to_have_text(["About"])
    expect(menu.get_by_role("menuitemradio")).to_have_count(3)  # light, dark, as the system
    expect(menu).not_to_contain_text("Streamlit", use_inner_text=True)  # hidden by our style sheet


def test_titles_use_the_room_and_are_whole_on_hover_and_on_focus(
    page: Any, dashboard: str, store: Store
) -> None:
    long = tuple(f"Number {at} of a series whose titles fit into no column of the page" for at in range(80))
    shop.stock(store, titles=long)
    with FakeEngine(store):
        page.goto(f"{dashboard}/?data=simulated&user=shopper+0012&model=embedded")
        run(page)
    title = page.locator(".st-key-bump-lists .ranks.left .whole span").first
    title.wait_for()
    still(page)
    room = {}
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        still(page)
        script(page, MOVED)
        room[width] = title.bounding_box()["width"]
    assert room[1280] > 120
    assert room[1920] > 1.5 * room[1280]
    assert title.evaluate(CUT)
    title.hover()
    until(page, lambda: not title.evaluate(CUT), "the title under the mouse is cut")
    page.mouse.move(5, 5)
    until(page, lambda: title.evaluate(CUT), "the title stays whole when the mouse has left")
    page.locator(".st-key-bump-lists .ranks.left .whole").first.focus()
    until(page, lambda: not title.evaluate(CUT), "the title in focus is cut")
    assert title.inner_text() in long
    for place in ("st-key-card-history", "st-key-desk-rows"):
        stop = page.locator(f".{place} .whole[tabindex]").first
        stop.focus()
        words = stop.locator("span")
        until(page, lambda: not words.evaluate(CUT), f"a title in focus is cut in {place}")  # noqa: B023
