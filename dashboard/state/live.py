"""One look at the store for all open pages, and what follows from it: which of them are drawn again.

A page that asks the store by a timer of its own costs the same whether anything changed or not; twenty idle
ones took more than a core. Here one thread of the server looks, once a second, and asks Streamlit to draw
those parts again whose look changed; nothing is sent to the others. It looks more often while somebody waits
for a job, and not at all while no page is open.

It also keeps the jobs alive that open pages want, and lets go those of pages that are closed.

Boundary: no drawing here; `dashboard.ui.live` draws. Streamlit has no public way to ask for a run of one part
of a session, so `_ask` does what its own timers end in; a test holds it against the installed version.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamlit import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from db import jobs, queue, workers
from db.changes import Changes
from db.jobs import QUEUED, RUNNING
from db.queue import Open
from db.store import Store
from db.workers import Worker

LOOK_S = 1.0
OPEN_S = 0.25  # while a page shows an open job
AWAITED_S = 0.03  # while a page waits for one, for a moment, where the store cannot say that it changed
WANTED_S = 10.0  # a job that no page has looked at for this long is dropped
AGAIN_S = 5.0  # a part that was asked to be drawn, and was not, is asked again


@dataclass(frozen=True)
class Look:
    """What the store said at one moment. `second`: that moment, in whole seconds since 1970.

    `locked`: whether another program keeps a silent engine from writing.
    """

    second: int = 0
    workers: tuple[Worker, ...] = ()
    open: tuple[Open, ...] = ()
    locked: bool = False

    def job(self, job_id: int) -> Open | None:
        """The job, while it is open."""
        return next((job for job in self.open if job.id == job_id), None)


def of_job(look: Look, job_id: int) -> Hashable:
    """What changes the line of a job: how it stands; while it runs, the time; while it waits, its turn."""
    job = look.job(job_id)
    if job is None:
        return None
    return job, look.second if job.state == RUNNING else queue.before(look.open, job_id), of_engine(look)


def of_message(look: Look, job_id: int) -> Hashable:
    """What a job says it does; changes where it has something new to show."""
    job = look.job(job_id)
    return None if job is None else job.message


def of_jobs(look: Look, *kinds: str) -> Hashable:
    """The same for a list of all open jobs of these kinds; of all without any."""
    shown = tuple(job for job in look.open if not kinds or job.kind in kinds)
    return shown, look.second if any(job.state == RUNNING for job in shown) else None


def of_engine(look: Look) -> str:
    """How the engine stands, as `db.workers.engine` says."""
    engine = workers.engine(look.workers, time.time())
    return workers.LOCKED if engine == workers.SILENT and look.locked else engine


@dataclass
class _Part:
    """A part of a page: the look that it shows since when, and when it was asked to be drawn again."""

    look: Callable[..., Hashable]
    args: tuple[Any, ...]
    shown: Hashable
    asked: float = 0.0
    job: int | None = None
    since: float = field(default_factory=time.monotonic)

    def can_wait(self, look: Look, now: float) -> bool:
        """Whether it says how many jobs are before its own, and did so less than a second ago.

        Where many people wait, all of their pages would be drawn whenever a job ends.
        """
        job = look.job(self.job) if self.job else None
        return job is not None and job.state == QUEUED and now - self.since < LOOK_S


@dataclass
class Watch:
    """The looking of one server process, for one store."""

    store: Store
    parts: dict[tuple[str, str], _Part] = field(default_factory=dict)
    wanted: dict[str, set[int]] = field(default_factory=dict)
    awaited: dict[int, list[threading.Event]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    last: Look = field(default_factory=Look)
    seen: float = 0.0
    renewed: float = 0.0
    thread: threading.Thread | None = None
    stir: threading.Event = field(default_factory=threading.Event)

    def show(
        self, session: str, part: str, look: Callable[..., Hashable], args: tuple[Any, ...], job: int | None
    ) -> None:
        """Note what a part of a page is about to show: it is drawn again when the look gives something else.

        `job`: an open job that it shows.
        """
        with self.lock:
            # Not the last look: a job filed since and done before the next would seem not to have changed.
            self.parts[session, part] = _Part(look, args, look(self.look(0.0), *args), job=job)
            self._run()

    def want(self, session: str, job_id: int) -> None:
        """Let a job be wanted while this session's page is open."""
        with self.lock:
            self.wanted.setdefault(session, set()).add(job_id)
            self._run()

    def unwant(self, session: str, job_id: int) -> bool:
        """The session's page no longer wants it; whether another one does."""
        with self.lock:
            self.wanted.get(session, set()).discard(job_id)
            return any(job_id in wanted for wanted in self.wanted.values())

    def wait(self, job_id: int, seconds: float) -> None:
        """Until a job has ended, at most so many seconds."""
        over = threading.Event()
        with self.lock:
            self.awaited.setdefault(job_id, []).append(over)
            self._run()
        self.stir.set()
        over.wait(seconds)
        with self.lock:
            waiting = self.awaited.get(job_id, [])
            if over in waiting:
                waiting.remove(over)
            if not waiting:
                self.awaited.pop(job_id, None)

    def look(self, old_s: float = LOOK_S) -> Look:
        """What the store says, at most so many seconds ago."""
        with self.lock:
            if time.monotonic() - self.seen > old_s:
                known, now = tuple(workers.listing(self.store)), time.time()
                locked = workers.engine(known, now) == workers.SILENT and self.store.locked()
                self.last = Look(int(now), known, tuple(queue.glance(self.store)), locked)
                self.seen = time.monotonic()
            return self.last

    def _run(self) -> None:
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._watch, daemon=True, name="look")
            self.thread.start()

    def _watch(self) -> None:
        with contextlib.closing(Changes(self.store)) as changes:
            while True:
                with self.lock:
                    if not (self.parts or self.wanted or self.awaited):
                        self.thread = None
                        return
                pause = LOOK_S
                with contextlib.suppress(Exception):  # the store may be busy or away; the pages say so
                    pause = self._tick()
                if self.awaited or pause < LOOK_S:  # an open job is shown: its end is seen when it is written
                    changes.wait(AWAITED_S if self.awaited else pause, pause, self.stir)
                else:
                    self.stir.wait(pause)
                self.stir.clear()

    def _tick(self) -> float:
        """Look once; returns seconds until the next look."""
        with self.lock:
            shown = {part.job for part in self.parts.values() if part.job and self.last.job(part.job)}
            asked = shown.union(self.awaited)
        over = queue.ended(self.store, asked) if asked else set()
        with self.lock:
            for job_id in over:
                for event in self.awaited.pop(job_id, []):
                    event.set()
        gone = self._leave()
        with self.lock:
            busy = any(self.last.job(part.job) for part in self.parts.values() if part.job)
        look = self.look(0.0 if shown & over else OPEN_S if busy else LOOK_S - 0.05)
        self._draw(look)
        for job_id in gone:
            jobs.let_go(self.store, job_id)
        self._renew(look)
        with self.lock:
            return OPEN_S if busy or self.awaited else LOOK_S

    def _draw(self, look: Look) -> None:
        now, values = time.monotonic(), {}
        changed: dict[str, dict[str, _Part]] = {}
        with self.lock:
            parts = list(self.parts.items())
        for (session, name), part in parts:
            asked = (part.look, part.args)
            if asked not in values:
                values[asked] = part.look(look, *part.args)
            due = now - part.asked > AGAIN_S and not part.can_wait(look, now)
            if due and values[asked] != part.shown:
                changed.setdefault(session, {})[name] = part
        for session, those in changed.items():
            for part in those.values():
                part.asked = now
            _ask(session, those)

    def _leave(self) -> set[int]:
        """Forget closed sessions and parts that are gone; returns the jobs that only those wanted."""
        with self.lock:
            sessions = {session for session, _ in self.parts} | set(self.wanted)
            pages = {session: page_of(session) for session in sessions}
            for session, name in list(self.parts):
                page = pages[session]
                if page is None or not page.has_fragment(name):
                    del self.parts[session, name]
            left: set[int] = set()
            for session in [session for session, page in pages.items() if page is None]:
                left |= self.wanted.pop(session, set())
            return left - set().union(*self.wanted.values())

    def _renew(self, look: Look) -> None:
        if time.monotonic() - self.renewed < LOOK_S:
            return
        self.renewed = time.monotonic()
        with self.lock:
            wanted = set().union(*self.wanted.values()) & {job.id for job in look.open}
        for job_id in wanted:
            jobs.want(self.store, job_id, WANTED_S)


_watches: dict[int, Watch] = {}
_making = threading.Lock()


def watch(store: Store) -> Watch:
    """The one that looks at this store."""
    with _making:
        found = _watches.get(id(store))
        if found is None or found.store is not store:
            found = _watches[id(store)] = Watch(store)
        return found


def now(store: Store) -> Look:
    """What the store says: at most a second ago on a page, at this moment elsewhere."""
    return watch(store).look(LOOK_S if here() else 0.0)


def page_of(session: str) -> AppSession | None:
    """The page of a session, while a browser is connected to it."""
    return runtime.get_instance().get_app_session(session) if runtime.exists() else None


def here() -> str | None:
    """The session whose script this is; None where no browser is connected to it, as in a test."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context and page_of(context.session_id) else None


def _ask(session: str, parts: Mapping[str, _Part]) -> None:
    """Ask for a run of some parts of a session."""
    page = page_of(session)
    if page is not None:
        page._call_soon_on_event_loop(lambda: _start(page, parts))


def _start(page: AppSession, parts: Mapping[str, _Part]) -> None:
    if page._scriptrunner is not None:  # a run is under way, perhaps of newer parameters: later, then
        for part in parts.values():
            part.asked = 0.0
        return
    client = page._client_state
    page._create_scriptrunner(
        RerunData(
            query_string=client.query_string,
            page_script_hash=client.page_script_hash,
            page_name=client.page_name,
            fragment_id_queue=[name for name in parts if page.has_fragment(name)],
            is_auto_rerun=True,
            context_info=client.context_info if client.HasField("context_info") else None,
        )
    )
