"""Twenty people at once: they open the page, run, and move a slider; each must get their own results.

    python -m tests.load.people                    20 people, 6 moves each: the figures of the documentation
    python -m tests.load.people --people 2 --moves 1

Protocol-level clients on this machine only, in a workspace of its own that is removed afterwards. Prints what
one person alone waits for, what each of all waits for, how long the queue was, and the idle cost.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from db import datasets, models, queue, runs
from db.settings import Settings
from db.store import Store
from tests.support.browser import Browser, tab
from tests.support.server import ROOT, SERVE, served

IDLE_S = 20.0
PATIENCE_S = 300.0


@dataclass
class Person:
    """One person with a user of their own.

    `waits`: seconds from each move to its list; `before`: how many jobs the page named before each; `wrong`:
    pages that turned to somebody else's user.
    """

    user: str
    waits: list[float] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    wrong: int = 0


@dataclass
class Figures:
    """What a round of people measured."""

    opened: list[float]
    waits: list[float]
    before: list[int]
    wrong: int
    idle: float
    messages: int
    memory: int


async def move(page: Browser, person: Person, weight: float, store: Store) -> None:
    """Move the first slider, and wait for the list of that weight."""
    # A run that begins takes away all that is drawn; the slider is there again once it is drawn anew.
    await page.until(lambda it: bool(it.labels("slider")), PATIENCE_S)
    started = time.monotonic()
    slider, named = page.widget("slider", ""), 0
    await page.run(widget=slider, double_array_value=[weight])
    while True:
        text = page.text()
        if " before you" in text:
            named = max(named, int(text.split(" before you")[0].split()[-1]))
        found = made(store, person.user, weight)
        if found and not waiting(text):
            break
        if time.monotonic() - started > PATIENCE_S:
            raise TimeoutError(f"{person.user} waits for the list at weight {weight}: {text[-400:]}")
        await asyncio.sleep(0.02)
    person.waits.append(time.monotonic() - started)
    person.before.append(named)
    person.wrong += f"user={person.user.replace(' ', '+')}" not in page.address


def waiting(text: str) -> bool:
    """Whether the page still says that it waits for a ranking."""
    return any(line.startswith("Ranking") for line in text.splitlines())


def made(store: Store, user: str, weight: float) -> bool:
    """Whether the run of this user with this weight first is stored."""
    for summary in runs.listing(store, runs.Filter(search=user), 3):
        run = runs.by_key(store, summary.key)
        chosen = run.request.demonstrations if run else None
        if chosen and abs(chosen[0].weight - weight) < 1e-6 and run and run.request.user == user:
            return True
    return False


async def visit(url: str, person: Person, stack: AsyncExitStack) -> tuple[Browser, float]:
    """Open the page of a user; the tab and the seconds until its first list can be asked for."""
    started = time.monotonic()
    page = await stack.enter_async_context(tab(url))
    await page.run(query=f"data=simulated&user={person.user}&model=embedded")
    return page, time.monotonic() - started


async def work(page: Browser, person: Person, moves: int, store: Store) -> None:
    """Run, then move the slider so many times."""
    await page.click("Run")
    await page.until(lambda it: bool(it.labels("slider")) and not waiting(it.text()), PATIENCE_S)
    for number in range(moves):
        await move(page, person, round(1.1 + 0.1 * number, 2), store)  # 1 is the first list again


async def people(url: str, users: list[str], moves: int, store: Store, server: psutil.Process) -> Figures:
    """All of them at once."""
    known = [Person(user) for user in users]
    async with AsyncExitStack() as stack:
        visits = [await visit(url, person, stack) for person in known]
        pages = [page for page, _ in visits]
        await asyncio.gather(
            *(work(page, person, moves, store) for page, person in zip(pages, known, strict=True))
        )
        await settled(pages, store)
        spent, sent, since = cpu(server), sum(page.sent for page in pages), time.monotonic()
        await asyncio.sleep(IDLE_S)
        idle = (cpu(server) - spent) / (time.monotonic() - since)
        messages = sum(page.sent for page in pages) - sent
        memory = server.memory_info().rss
    waits = [wait for person in known for wait in person.waits]
    before = [number for person in known for number in person.before]
    wrong = sum(person.wrong for person in known)
    return Figures([seconds for _, seconds in visits], waits, before, wrong, idle, messages, memory)


async def settled(pages: list[Browser], store: Store) -> None:
    """Until nothing is computed and nothing drawn any more: effects are measured after the last list."""
    sent = -1
    while queue.glance(store) or sent != sum(page.sent for page in pages):
        sent = sum(page.sent for page in pages)
        await asyncio.sleep(5)


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time that it used."""
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def engine(settings: Settings) -> Iterator[None]:
    """A worker beside the page; the workspace is set up when the block begins."""
    environment = {**os.environ, "DUALENS_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-P", "-m", "engine"]
    subprocess.run([*words, "setup"], env=environment, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*words, "worker"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def measure(number: int, moves: int, folder: Path) -> tuple[Figures, Figures]:
    """One person alone, then all of them."""
    home = folder / "home"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")
    with engine(settings), Store.open(settings) as store, served(settings, SERVE) as url:
        models.get(store, "embedded")
        info = datasets.get(store, "simulated")
        users = [
            datasets.random_user(store, info.id, seed=seed, min_length=8).user_id
            for seed in range(number * 3)
        ]
        users = list(dict.fromkeys(users))[: number + 1]
        [server] = [child for child in psutil.Process().children() if "dashboard.serve" in child.cmdline()]
        alone = asyncio.run(people(url, users[:1], moves, store, server))
        return alone, asyncio.run(people(url, users[1:], moves, store, server))


def bound(alone: Figures, it: Figures) -> float:
    """What a move may take: twice that of one person alone, and as long again for each job before it."""
    return statistics.median(alone.waits) * (2 + statistics.median(it.before))


def table(alone: Figures, together: Figures, number: int) -> str:
    """The figures as Markdown."""
    rows = [("", "alone", f"{number} people")]
    for name, read in (
        ("open the page, median", lambda it: f"{statistics.median(it.opened):.2f} s"),
        ("slider to list, median", lambda it: f"{statistics.median(it.waits):.2f} s"),
        ("slider to list, longest", lambda it: f"{max(it.waits):.2f} s"),
        ("twice the one alone plus the queue", lambda it: f"{bound(alone, it):.2f} s"),
        ("jobs before a move, median", lambda it: f"{statistics.median(it.before):.0f}"),
        ("lists that were another's", lambda it: str(it.wrong)),
        ("idle, of a core", lambda it: f"{it.idle:.1%}"),
        ("messages while idle", lambda it: str(it.messages)),
        ("memory of the page's server", lambda it: f"{it.memory >> 20} MiB"),
    ):
        rows.append((name, read(alone), read(together)))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|---|---|", *lines[1:]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.people", description=__doc__)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--moves", type=int, default=6)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, together = measure(asked.people, asked.moves, Path(folder))
    print(table(alone, together, asked.people))


if __name__ == "__main__":
    main()
