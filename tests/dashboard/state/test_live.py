"""One look for all pages: who is drawn again, which jobs are kept, and that idle pages are sent nothing."""

import asyncio
import os
import socket
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from dashboard.state import live, outcome
from dashboard.state.live import Look, Watch
from dashboard.ui import engine_status, progress
from db import guided, jobs, queue, runs, workers
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from db.workers import Worker
from tests.support import shop
from tests.support.browser import Browser, tab
from tests.support.fake_engine import FakeEngine, rank
from tests.support.server import forked


class Page:
    """A session's page that holds all its parts."""

    def has_fragment(self, _: str) -> bool:
        return True


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The pages that are open, by session, and under `asked` which parts were asked to be drawn."""
    known: dict[str, Any] = {"a": Page(), "b": Page(), "asked": []}
    monkeypatch.setattr(live, "page_of", lambda session: known.get(session))
    monkeypatch.setattr(
        live, "_ask", lambda session, parts: known["asked"].extend((session, p) for p in parts)
    )
    monkeypatch.setattr(Watch, "_run", lambda self: None)  # the test is the clock
    return known


def look_again(watch: Watch) -> None:
    watch.seen = watch.renewed = 0.0
    watch._tick()


def test_only_parts_whose_look_changed_are_drawn_again(store: Store, pages: dict[str, Any]) -> None:
    watch = Watch(store)
    job = jobs.submit(store, "study", {})
    watch.show("a", "line", live.of_job, (job.id,), job.id)
    watch.show("b", "list", live.of_jobs, ("import",), None)
    look_again(watch)
    look_again(watch)
    assert pages["asked"] == []
    jobs.stop(store, job.id)
    look_again(watch)
    assert pages["asked"] == [("a", "line")]
    look_again(watch)  # asked already
    assert pages["asked"] == [("a", "line")]
    jobs.submit(store, "import", {})
    look_again(watch)
    assert pages["asked"][1:] == [("b", "list")]


def test_the_same_question_of_many_pages_is_answered_once(store: Store, pages: dict[str, Any]) -> None:
    watch, answered = Watch(store), []

    def look(found: Look) -> int:
        answered.append(found)
        return len(found.open)

    for session in "ab":
        watch.show(session, "foot", look, (), None)
    answered.clear()
    look_again(watch)
    assert len(answered) == 1


def test_jobs_of_a_page_that_is_gone_are_let_go_and_those_of_others_kept(
    store: Store, pages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(store)
    alone, shared = (jobs.submit(store, "rank", {"n": n}, wanted_s=live.WANTED_S) for n in range(2))
    watch.want("a", alone.id)
    watch.want("a", shared.id)
    watch.want("b", shared.id)
    del pages["a"]
    look_again(watch)
    now = time.time() + jobs.GRACE_S + 0.1
    monkeypatch.setattr("db.queue.time.time", lambda: now)
    assert [job.id for job in queue.glance(store)] == [shared.id]
    assert watch.unwant("b", shared.id) is False


def test_an_open_page_keeps_its_job_wanted(
    store: Store, pages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, now = Watch(store), time.time()
    for name in ("db.queue.time.time", "db.jobs.time.time"):
        monkeypatch.setattr(name, lambda: now)
    job = jobs.submit(store, "rank", {}, wanted_s=live.WANTED_S)
    watch.want("a", job.id)
    for _ in range(5):
        now += live.WANTED_S / 2 + 1
        look_again(watch)
    assert [found.id for found in queue.glance(store)] == [job.id]


def test_whoever_waits_is_told_when_the_job_has_ended(store: Store) -> None:
    watch = Watch(store)
    job = jobs.submit(store, "rank", {})
    jobs.stop(store, job.id)
    watch.wait(job.id, 60)
    assert not watch.awaited


async def quiet(*tabs: Browser) -> None:
    """Until the server has sent these tabs nothing for three seconds. Raises TimeoutError."""
    async with asyncio.timeout(60):
        sent = None
        while sent != (sent := [each.sent for each in tabs]):
            await asyncio.sleep(3)


def test_idle_pages_are_sent_nothing_and_all_learn_of_a_change(settings: Settings, store: Store) -> None:
    """Against the installed Streamlit: the server itself asks for a run of a part."""
    shop.stock(store)

    async def look(url: str) -> None:
        async with tab(url) as one, tab(url) as two:
            await one.run(page="library")
            await two.run(page="recommend")
            await one.until(lambda it: "no engine" in it.text())
            await quiet(one, two)
            worker = Worker("me", 2**22, "elsewhere", "cpu", "float32", "ready")
            workers.beat(store, worker)
            for tab_ in (one, two):
                await tab_.until(lambda it: "engine ready" in it.text())
                assert "no engine" not in tab_.text()

    with forked(settings) as url:
        asyncio.run(look(url))


def test_the_end_of_a_job_that_is_shown_is_seen_at_once(store: Store, pages: dict[str, Any]) -> None:
    """What was looked at a moment ago is looked at again then, and only then."""
    watch = Watch(store)
    job = jobs.submit(store, "study", {})
    watch.show("a", "line", live.of_job, (job.id,), job.id)
    before = watch.last
    watch._tick()
    assert watch.last is before
    jobs.stop(store, job.id)
    watch._tick()
    assert pages["asked"] == [("a", "line")]
    before = watch.last
    watch._tick()
    assert watch.last is before


def test_a_ranking_and_its_effects_come_without_a_run_of_the_whole_page(
    settings: Settings, store: Store
) -> None:
    """Against the installed Streamlit: a part of a page asks for the fragment around it."""
    shop.stock(store)

    async def ask(url: str) -> None:
        async with tab(url) as page:
            await page.run(query="data=simulated&user=shopper+0012&model=embedded")
            await page.click("Run")
            await page.until(lambda it: "Ranking" in it.text())
            before = page.whole
            for shown in ("Measuring effects", "measuring what dropping it does", "Effects if you drop it"):
                await page.until(lambda it, shown=shown: shown in it.text())
            assert page.whole == before

    slow = {"rank": outcome.RANK_WAIT_S + 1, "effects": outcome.EFFECTS_WAIT_S + 1}
    with FakeEngine(store, slow), forked(settings) as url:
        asyncio.run(ask(url))


def test_what_stands_above_the_desk_until_the_first_ranking_goes_with_it(
    settings: Settings, store: Store
) -> None:
    """However long that ranking takes: it then draws the whole page."""
    shop.stock(store)
    for user in ("shopper 0003", "shopper 0007"):
        runs.annotate(store, rank(store, RunRequest("simulated", user)).key, tags=[guided.TAG])
    rank(store, RunRequest("simulated", "shopper 0009"))

    async def ask(url: str) -> None:
        async with tab(url) as page:
            await page.run(query="data=simulated&user=shopper+0012&model=embedded")
            assert "New here?" in page.text()
            await page.click("Run")
            await page.until(lambda it: "In one sentence" in it.text() and "New here?" not in it.text())

    with FakeEngine(store, {"rank": outcome.RANK_WAIT_S + 1}), forked(settings) as url:
        asyncio.run(asyncio.wait_for(ask(url), 120))


def test_a_page_that_closes_ends_its_work(settings: Settings, store: Store) -> None:
    shop.stock(store)

    async def ask(url: str) -> None:
        async with tab(url) as page:
            await page.run(query="data=simulated&user=shopper+0012&model=embedded")
            await page.click("Run")
            await page.until(lambda _: bool(queue.glance(store)))
            await asyncio.sleep(live.WANTED_S / 4)
            assert [job.kind for job in queue.glance(store)] == ["rank"]

    async def gone(_: Browser | None = None) -> None:
        while queue.glance(store):
            await asyncio.sleep(0.1)

    with forked(settings) as url:
        asyncio.run(ask(url))
        asyncio.run(asyncio.wait_for(gone(), 180))
    assert jobs.claim(store, "engine") is None


def test_an_engine_that_another_program_keeps_from_writing_is_said_to_be(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.beat(store, Worker("me", os.getpid(), socket.gethostname(), "cpu", "float32", "ready"))
    now = time.time() + 20
    monkeypatch.setattr("dashboard.state.live.time.time", lambda: now)
    assert live.of_engine(Watch(store).look()) == workers.SILENT
    with closing(sqlite3.connect(settings.home / "dualens.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert live.of_engine(Watch(store).look()) == workers.LOCKED
    job = jobs.submit(store, "rank", {})
    for engine, said in {workers.SILENT: "gives no sign", workers.LOCKED: "another program holds"}.items():
        assert said in progress.describe(job, "Ranking", now, engine)
        assert "no engine" not in str(engine_status.state([], {}, now, engine))


def test_a_waiting_page_names_the_jobs_before_it(store: Store) -> None:
    filed = [jobs.submit(store, "rank", {"n": n}) for n in range(3)]
    before = queue.before(queue.glance(store), filed[-1].id)
    said = progress.describe(filed[-1], "Ranking", time.time(), workers.RUNS, before)
    assert said == "Ranking: waiting, 2 before you."


def test_the_number_of_jobs_before_is_drawn_once_a_second_and_a_turn_at_once(
    store: Store, pages: dict[str, Any]
) -> None:
    """Of twenty people who wait, all would be drawn again whenever a job ends."""
    watch = Watch(store)
    filed = [jobs.submit(store, "rank", {"n": n}) for n in range(3)]
    watch.show("a", "line", live.of_job, (filed[2].id,), filed[2].id)
    jobs.stop(store, filed[0].id)
    look_again(watch)
    assert pages["asked"] == []
    watch.parts["a", "line"].since -= live.LOOK_S
    look_again(watch)
    assert pages["asked"] == [("a", "line")]
    watch.show("a", "line", live.of_job, (filed[2].id,), filed[2].id)
    jobs.claim(store, "engine", job_id=filed[2].id)
    look_again(watch)
    assert pages["asked"] == [("a", "line")] * 2


def test_a_job_that_is_filed_and_done_between_two_looks_is_seen_to_end(
    store: Store, pages: dict[str, Any]
) -> None:
    watch = Watch(store)
    watch.look()
    job = jobs.submit(store, "effects", {})
    watch.show("a", "line", live.of_job, (job.id,), job.id)  # drawn as waiting
    jobs.stop(store, job.id)
    look_again(watch)
    assert pages["asked"] == [("a", "line")]
