"""How long a person waits at the desk, and where the time goes: a real browser, an engine, nothing else.

    python -m tests.load.slider                  40 moves: the figures of the documentation
    python -m tests.load.slider --moves 4 --json

Starts the page and an engine on a workspace of their own, moves the desk's sliders by key in headless
Chromium, and measures from the key press to the moment in which the page holds the new list. What lies
between comes from the browser (what it sends, what it receives, what it draws), from the job's times in the
store and from the run's own: all clocks are this machine's. Beside it the same waits on a page of Streamlit
that has four sliders and one line, and nothing to compute.
"""

import argparse
import base64
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.state.view import from_params
from db import jobs, queue, runs
from db.requests import request_digest
from db.settings import Settings
from db.store import Store
from tests.load.people import cpu, engine
from tests.support.server import SERVE, served

# A page of Streamlit alone, whose connections send at once as the dashboard's do.
PROGRAM = """
import sys
import streamlit
from streamlit.web.server.starlette import starlette_server
from dashboard.serve import at_once
starlette_server._bind_socket = at_once(starlette_server._bind_socket)
config = {"server.address": "127.0.0.1", "server.port": int(sys.argv[2]), "server.headless": True}
streamlit.App(sys.argv[1]).run(config=config)
"""
PLAIN = ["-c", PROGRAM.replace("{", "{{").replace("}", "}}")]
PLAIN += [str(Path(__file__).with_name("plain_page.py")), "{port}"]
PATIENCE_S = 120.0
HAND_S = 0.3  # between two moves of somebody who does not wait for the effects
OPENED = 8  # pages opened per kind

# Runs before the page's own scripts. `frames`: what the socket sent and received; `shown`: the run whose list
# is on the screen, each time another one is; `keys`: presses.
RECORDER = """
(() => {
  const now = () => performance.timeOrigin + performance.now()
  const seen = window.seen = { frames: [], shown: [], keys: [] }
  const Plain = window.WebSocket
  window.WebSocket = class extends Plain {
    constructor(...words) {
      super(...words)
      this.addEventListener("message", event => seen.frames.push([now(), "in", event.data]))
    }
    send(data) {
      seen.frames.push([now(), "out", data])
      super.send(data)
    }
  }
  addEventListener("keydown", event => seen.keys.push(performance.timeOrigin + event.timeStamp), true)
  const painted = then => requestAnimationFrame(() => {
    const after = new MessageChannel()
    after.port1.onmessage = then
    after.port2.postMessage(0)
  })
  let last
  new MutationObserver(() => {
    const run = document.querySelector(".st-key-bump-lists .ranks.right")?.dataset.run
    if (!run || run === last) return
    last = run
    painted(() => seen.shown.push([now(), run]))
  }).observe(document, { childList: true, subtree: true, attributes: true })
})()
"""
TAKE = """
() => {
  const bytes = data => {
    const all = new Uint8Array(data)
    let text = ""
    for (let at = 0; at < all.length; at += 9999) text += String.fromCharCode(...all.subarray(at, at + 9999))
    return btoa(text)
  }
  const taken = { ...window.seen, frames: window.seen.frames.map(([t, way, data]) => [t, way, bytes(data)]) }
  window.seen.frames = []; window.seen.shown = []; window.seen.keys = []
  return { ...taken, origin: performance.timeOrigin }
}
"""
LAST = "document.querySelector('.st-key-bump-lists .ranks.right')?.dataset.run ?? null"
PAINTED = "new Promise(then => requestAnimationFrame(() => setTimeout(then)))"
IDLE = "document.querySelector('[data-test-script-state]')?.dataset.testScriptState === 'notRunning'"

STEPS = {
    "sent": "browser: key to message",
    "begun": "server: message to the page's run",
    "filed": "page: until the ranking is asked for",
    "claimed": "queue: until the engine takes it",
    "computed": "engine: computing",
    "stored": "engine: reading and writing the store",
    "received": "page: notices, draws, sends the list",
    "drawn": "browser: draws the list",
}
"""Step -> what happened since the step before. A stored run has no `filed` to `stored`."""


@dataclass
class Move:
    """One wait. `steps`: milliseconds of each; `total`: from the key to the list; `after`: from the list to
    the end of the page's run; `kib`: received."""

    total: float
    steps: dict[str, float] = field(default_factory=dict)
    after: float | None = None
    kib: float = 0.0


@dataclass
class Desk:
    """The page in a browser, and the store behind it."""

    page: Any
    store: Store

    def take(self) -> dict[str, Any]:
        """What was recorded since the last time."""
        return self.page.evaluate(TAKE)

    def rest(self, *, drawn: bool = False) -> None:
        """Until nothing is computed and nothing is drawn. `drawn`: whatever is computed."""
        deadline = time.monotonic() + PATIENCE_S
        quiet = 0
        while quiet < 3:
            if time.monotonic() > deadline:
                raise TimeoutError("the desk never came to rest")
            busy = not self.page.evaluate(IDLE) or (not drawn and queue.glance(self.store))
            quiet = 0 if busy else quiet + 1
            self.page.wait_for_timeout(100)

    def until_shown(self) -> tuple[str, str]:
        """Until the page shows the list of its address; the address and the texts of that list."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            address = self.page.url
            wanted = expected(self.store, address)
            shown = self.page.evaluate(LAST)
            if wanted is not None and shown == wanted:
                self.page.evaluate(PAINTED)  # and noted as shown
                return address, wanted
            self.page.wait_for_timeout(20)
        raise TimeoutError(f"the list of {self.page.url} was never drawn")

    def press(self, row: int, key: str, *, rest: bool = True) -> Move | None:
        """One step of a slider; None where the two lists cannot be told apart. `rest`: then wait for all that
        follows, the effects too."""
        before, address = expected(self.store, self.page.url), self.page.url
        slider = self.page.get_by_role("slider").nth(row)
        slider.focus()
        self.take()
        asked = time.time()
        slider.press(key)
        self.page.wait_for_function("before => location.href !== before", arg=address, polling=20)
        if expected(self.store, self.page.url) == before:
            self.rest()
            return None
        _, wanted = self.until_shown()
        self.rest(drawn=not rest)
        return move(self.take(), wanted, self.store, asked)


def expected(store: Store, address: str) -> str | None:
    """The run that an address stands for; None: not stored."""
    view, _ = from_params(dict(parse_qsl(urlsplit(address).query)))
    request = view.request()
    run = runs.by_request(store, request_digest(store, request)) if request else None
    return run.key if run else None


def move(taken: dict[str, Any], wanted: str, store: Store, asked: float) -> Move | None:
    """What was recorded of one press, by step."""
    drawn = next((at for at, text in taken["shown"] if text == wanted), None)
    if drawn is None or not taken["keys"]:
        return None
    key = taken["keys"][0]
    times, kib = on_the_wire(taken["frames"], wanted, key, drawn)
    newest = next(iter(jobs.listing(store, kinds=["rank"], limit=1)), None)
    if newest is not None and newest.created_at >= asked and newest.result:
        run = runs.get(store, newest.result["run"])
        times |= {"filed": newest.created_at * 1e3, "claimed": (newest.started_at or 0) * 1e3}
        times["computed"] = times["claimed"] + run.timings_ms["total"]
        times["stored"] = (newest.finished_at or 0) * 1e3
    times["drawn"] = drawn
    steps, last = {}, key
    for step in STEPS:
        if step in times:
            steps[step], last = times[step] - last, times[step]
    after = times["finished"] - drawn if "finished" in times else None
    return Move(drawn - key, steps, after, kib)


def on_the_wire(
    frames: Sequence[Any], wanted: str, key: float, drawn: float
) -> tuple[dict[str, float], float]:
    """When the browser sent the move, was told of the page's run, received the list and the run's end; and
    KiB received between the two."""
    times: dict[str, float] = {}
    size = 0
    for at, way, text in frames:
        data = base64.b64decode(text)
        if at < key:
            continue
        if way == "out":
            message = BackMsg()
            message.ParseFromString(data)
            if message.HasField("rerun_script") and not message.rerun_script.is_auto_rerun:
                times.setdefault("sent", at)
            continue
        told = ForwardMsg()
        told.ParseFromString(data)
        kind = told.WhichOneof("type")
        size += len(data) if "finished" not in times else 0
        if kind == "new_session" and "sent" in times:
            times.setdefault("begun", at)
        if kind == "delta" and at <= drawn and wanted in told.delta.new_element.html.body:
            times["received"] = at
        if kind == "script_finished" and at >= drawn:
            times.setdefault("finished", at)
    return times, size / 1024


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, store: Store) -> Iterator[Desk]:
    """A new window, with nothing kept from another one."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(RECORDER)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1e3)
    yield Desk(page, store)
    context.close()


def opening(browser: Any, store: Store, url: str) -> Move:
    """From opening an address in a new window to its list."""
    with opened(browser, store) as desk:
        desk.page.goto(url, wait_until="commit")
        _, wanted = desk.until_shown()
        taken = desk.take()
        return Move(next(at for at, text in taken["shown"] if text == wanted) - taken["origin"])


def back(desk: Desk) -> Move | None:
    """The browser's Back, to a stored run."""
    before = expected(desk.store, desk.page.url)
    desk.take()
    started = time.time() * 1e3
    desk.page.evaluate("history.back()")
    desk.page.wait_for_timeout(20)
    _, wanted = desk.until_shown()
    desk.rest()
    shown = [at for at, text in desk.take()["shown"] if text == wanted and at >= started]
    return Move(shown[0] - started) if shown and wanted != before else None


def plain(browser: Any, moves: int, store: Store, settings: Settings) -> dict[str, list[Move | None]]:
    """The same of `plain_page`: new windows, and sliders moved."""

    def shown(desk: Desk, before: str | None) -> tuple[float, dict[str, Any]]:
        desk.page.wait_for_function(f"before => ({LAST}) !== before", arg=before, polling=20)
        desk.page.evaluate(PAINTED)
        taken = desk.take()
        return taken["shown"][-1][0], taken

    waits: dict[str, list[Move | None]] = {"plain page": [], "plain moved": []}
    with served(settings, PLAIN) as url:
        for number in range(OPENED + 1):
            with opened(browser, store) as desk:
                desk.page.goto(url, wait_until="commit")
                at_, taken = shown(desk, None)
                waits["plain page"] += [Move(at_ - taken["origin"])] if number else []
                for move_ in range(moves if number == OPENED else 0):
                    desk.rest(drawn=True)
                    slider = desk.page.get_by_role("slider").nth(move_ % 4)
                    slider.focus()
                    before = desk.page.evaluate(LAST)
                    desk.take()
                    slider.press("ArrowRight")
                    at_, taken = shown(desk, before)
                    waits["plain moved"].append(Move(at_ - taken["keys"][0]))
    return waits


def measure(moves: int, folder: Path) -> dict[str, Any]:
    """All waits by kind, and the processor seconds of page and engine per new list."""
    home = folder / "home"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")
    with (
        engine(settings),
        Store.open(settings) as store,
        served(settings, SERVE) as url,
        chromium() as browser,
    ):
        known = psutil.Process().children()
        [page_server] = [child for child in known if "dashboard.serve" in child.cmdline()]
        [worker] = [child for child in known if "worker" in child.cmdline()]
        opening(browser, store, url)  # what a server does once is not measured
        waits: dict[str, list[Move | None]] = {}
        waits["first page"] = [opening(browser, store, url) for _ in range(OPENED)]
        with opened(browser, store) as desk:
            desk.page.goto(url)
            begin(desk)
            spent = cpu(page_server), cpu(worker)
            new, stored = [], []
            for number in range(moves):
                row = number % 4
                new.append(desk.press(row, "ArrowRight"))
                stored += [desk.press(row, key) for key in ("ArrowLeft", "ArrowRight")]
            used = cpu(page_server) - spent[0], cpu(worker) - spent[1]
            waits |= {"moved": new, "put back": stored}
            waits["moved on"] = []
            for number in range(moves):
                waits["moved on"].append(desk.press(number % 4, "ArrowRight", rest=False))
                desk.page.wait_for_timeout(HAND_S * 1e3)
            desk.rest()
            address = desk.page.url
            waits["back"] = [back(desk) for _ in range(OPENED)]
        waits["link"] = [opening(browser, store, address) for _ in range(OPENED)]
        waits |= plain(browser, moves, store, settings)
    kept = {kind: [each for each in all_of_it if each] for kind, all_of_it in waits.items()}
    return {"waits": kept, "cpu": [seconds / moves for seconds in used]}


def begin(desk: Desk) -> None:
    """The first ranking and its effects, of the strategy's choice and of the same ones chosen by hand."""
    desk.page.get_by_role("slider").nth(3).wait_for()
    desk.rest()
    desk.page.get_by_role("button", name="Run", exact=True).click()
    desk.until_shown()
    desk.rest()
    for key in ("ArrowLeft", "ArrowRight"):
        desk.press(0, key)


KINDS = {
    "moved": "a slider moved, engine at rest",
    "moved on": "moved again while effects are measured",
    "put back": "a slider put back: stored",
    "back": "the browser's Back: stored",
    "link": "a link opened in a new window",
    "first page": "the first page in a new window",
    "plain moved": "a slider of a page with nothing else",
    "plain page": "that page in a new window",
}


def at(values: Sequence[float], share: float) -> float:
    """A quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    waits = figures["waits"]
    lines = ["| from key or click to list | waits | p50 ms | p95 ms |", "|---|---|---|---|"]
    for kind, words in KINDS.items():
        totals = [each.total for each in waits[kind]]
        if totals:
            lines.append(f"| {words} | {len(totals)} | {at(totals, 0.5):.0f} | {at(totals, 0.95):.0f} |")
    shown = [kind for kind in ("moved", "moved on", "put back") if waits[kind]]
    lines += ["", "| step, p50 ms (p95) | " + " | ".join(KINDS[kind] for kind in shown) + " |"]
    lines.append("|---|" + "---|" * len(shown))
    for step, words in STEPS.items():
        cells = []
        for kind in shown:
            values = [each.steps[step] for each in waits[kind] if step in each.steps]
            cells.append(f"{at(values, 0.5):.0f} ({at(values, 0.95):.0f})" if values else "–")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    after = [[each.after for each in waits[kind] if each.after is not None] for kind in shown]
    cells = [f"{at(values, 0.5):.0f} ({at(values, 0.95):.0f})" if values else "–" for values in after]
    lines.append(f"| then: until the page's run ends | {' | '.join(cells)} |")
    sizes = [f"{statistics.median(each.kib for each in waits[kind]):.0f}" for kind in shown]
    lines.append(f"| KiB received | {' | '.join(sizes)} |")
    page, worker = figures["cpu"]
    lines += [
        "",
        f"Processor seconds per new list, all that follows included: page {page:.2f}, engine {worker:.2f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.slider", description=__doc__)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(asked.moves, Path(folder))
    print(json.dumps(figures, default=vars) if asked.json else table(figures))


if __name__ == "__main__":
    main()
