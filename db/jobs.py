"""Jobs: work that a page or a command files and an engine process does.

The contract:

- Exactly one process owns a RUNNING job at a time. Ownership is a lease: `claim` takes it, `heartbeat` renews
  it, `finish`, `fail` and `release` end it, and each of these returns False when it was lost.
- A job whose lease ran out is taken over by the next `claim`. Where its owners died three times without
  getting further than an attempt before, it ends in ERROR. While this process could not reach the store, no
  lease runs out for it: the owner could not renew it either.
- A stop of a RUNNING job is a request: the owner learns of it from `look` or `heartbeat` and gives the job
  back by `release`, which ends it as STOPPED.
- Each kind has a priority (`PRIORITY`). A running job gives way to a queued one of a better priority.
- A job that a page files for itself is wanted until some time; each page that watches it renews that by
  `want` and ends its interest by `let_go`. A job that nobody wants any more is dropped: it ends as STOPPED,
  queued or running. All other jobs are wanted for good.
- `partial` is the job's partial result. It outlives owner and stop: the next attempt finds it. The result
  replaces it.
- QUEUED -> RUNNING -> COMPLETED | ERROR | STOPPED, and back to QUEUED by `release`. A stopped or failed job
  is queued again, under its number, by `resume`, and by `submit` of an equal job where it has a `partial`.

Times are unix seconds of the caller's clock: processes on several machines need clocks that agree to a
second.
"""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.canonical import canonical_json, digest
from db.errors import NotFound
from db.names import clean_text
from db.schema import jobs as table
from db.store import Store

QUEUED, RUNNING, COMPLETED, STOPPED, ERROR = "QUEUED", "RUNNING", "COMPLETED", "STOPPED", "ERROR"

# Lower goes first. A ranking answers each move of a slider; what is viewed is drawn on a page as soon as it
# is there; what was started has a progress bar of its own; background work takes minutes to hours.
RANKING, VIEWED, STARTED, BACKGROUND = 0, 3, 6, 10
PRIORITY = {
    "rank": RANKING,
    "effects": VIEWED,
    "pool": VIEWED,
    "predicted": VIEWED,
    "peers": VIEWED,
    "catalogue": VIEWED,
    "preview": VIEWED,
    "template": VIEWED,
    "export": VIEWED,
    "register_model": VIEWED,
    "experiment_pair": VIEWED,
    "optimize": STARTED,
    "spread": STARTED,
    "forward": STARTED,
    "attribution": STARTED,
    "explain": STARTED,
    "forget": STARTED,
    "import": STARTED,
    "purge": STARTED,
    "setup": STARTED,
    "study": BACKGROUND,
    "experiment_estimate": STARTED,
    "experiment": BACKGROUND,
    "experiment_selector": BACKGROUND,
    "tune": BACKGROUND,
}
"""The priority of each kind of job."""

MOST_ATTEMPTS = 3
GRACE_S = 1.5  # a job that one page lets go waits this long for another page to renew it

_LONG_WAIT_S = 1.0
_LONG = ("result", "partial")  # columns
_DEAD = -1.0  # the lease of an owner that is known to be dead: over at any time, that of `_patient` included


@dataclass(frozen=True)
class Job:
    """One job. `progress` 0 to 1 or None; `message` what it does now; `error` why it failed, for a person.

    `partial`: the partial result of a long job, for pages to show and for the next attempt to resume from.
    `left_low_s`, `left_high_s`: between them lie the seconds it still takes; None while that is unknown.
    """

    id: int
    kind: str
    payload: dict
    priority: int
    state: str
    stop_asked: bool
    progress: float | None
    message: str
    result: dict | None
    error: str | None
    attempts: int
    owner: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    heartbeat_at: float | None
    partial: dict | None
    left_low_s: float | None = None
    left_high_s: float | None = None

    @property
    def dropped(self) -> bool:
        """Whether it ended because nobody wanted it any more: a page that does can file it again."""
        return self.state == STOPPED and not self.stop_asked


def submit(
    store: Store,
    kind: str,
    payload: dict,
    priority: int | None = None,
    wanted_s: float | None = None,
    *,
    owner: str | None = None,
    lease_s: float = 20,
) -> Job:
    """File a job; an equal one that is queued or running is returned instead of a twin.

    An equal one that was stopped or failed and has a `partial` is resumed (`resume`). `priority`: that of
    its kind unless given. `wanted_s`: the job is dropped when it has not ended in that many seconds and
    nobody renewed it by `want`; None: it is wanted for good. `owner`: takes it for `lease_s` seconds at once,
    before anybody else can (`claim`), where it does not run already.
    """
    priority = PRIORITY[kind] if priority is None else priority
    now = time.time()
    wanted_until = None if wanted_s is None else now + wanted_s
    values = {
        "kind": kind,
        "payload": canonical_json(payload),
        "payload_digest": digest([kind, payload]),
        "priority": priority,
        "created_at": now,
        "wanted_until": wanted_until,
        **_FRESH,
    }
    twin = sa.and_(table.c.payload_digest == values["payload_digest"], _open())
    with store.write() as connection:
        while True:
            has_partial = sa.not_(table.c.partial.is_(None))
            _reopen(connection, wanted_until, _last_equal(values["payload_digest"]), has_partial)
            connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
            urgent = sa.update(table).where(twin, table.c.priority > priority)
            connection.execute(urgent.values(priority=priority))
            shorter = sa.update(table).where(twin, table.c.wanted_until < (wanted_until or math.inf))
            connection.execute(shorter.values(wanted_until=wanted_until))
            row = connection.execute(sa.select(table).where(twin)).one_or_none()
            # None (PostgreSQL only): the twin ended between the two statements, so file the job after all.
            if row is not None and owner is not None and row.state == QUEUED:
                return _take(connection, row.id, owner, lease_s)
            if row is not None:
                return _typed(row)


def resume(store: Store, job_id: int) -> Job:
    """Queue a stopped or failed job again, under its number and with what it has; others stay as they are.

    Where an equal job is open already, that one is returned. Raises NotFound.
    """
    with store.write() as connection:
        job = _read(connection, job_id)
        same = sa.and_(table.c.payload_digest == digest([job.kind, job.payload]), _open())
        if (row := connection.execute(sa.select(table).where(same)).one_or_none()) is not None:
            return _typed(row)
        _reopen(connection, None, table.c.id == job_id)
        return _read(connection, job_id)


def claim(
    store: Store,
    owner: str,
    lease_s: float = 20,
    kinds: list[str] | None = None,
    *,
    job_id: int | None = None,
    better_than: int | None = None,
) -> Job | None:
    """Take the next job for `lease_s` seconds, best priority first, then the oldest; None if there is none.

    `job_id`: only that job; `better_than`: only one of a better priority. Jobs of owners that stopped
    renewing are taken over; one whose owners died three times without progress ends in ERROR; one that nobody
    wants any more is dropped.
    """
    asked = time.time()
    conditions = [] if job_id is None else [table.c.id == job_id]
    conditions += [] if better_than is None else [table.c.priority < better_than]
    conditions += [] if kinds is None else [table.c.kind.in_(kinds)]
    # Without the lock first: an idle engine polls, and others want to write.
    with store.read() as connection:
        query = sa.select(table.c.id).where(_claimable(asked), *conditions).limit(1)
        if connection.execute(query).first() is None:
            return None
    with store.write() as connection:
        now = _patient(store, asked, lease_s)
        _bury(connection, now)
        query = sa.select(table.c.id).where(_claimable(now), *conditions)
        query = query.order_by(table.c.priority, table.c.id).limit(1)
        next_id = connection.execute(query.with_for_update(skip_locked=True)).scalar_one_or_none()
        if next_id is None:
            return None
        return _take(connection, next_id, owner, lease_s)


def _take(connection: Connection, job_id: int, owner: str, lease_s: float) -> Job:
    taken = time.time()
    update = sa.update(table).where(table.c.id == job_id)
    update = update.values(
        state=RUNNING,
        owner=owner,
        attempts=table.c.attempts + 1,
        lease_until=taken + lease_s,
        heartbeat_at=taken,
        **_LEFT_UNKNOWN,
        started_at=sa.func.coalesce(table.c.started_at, taken),
    )
    return _typed(connection.execute(update.returning(table)).one())


def heartbeat(
    store: Store,
    job_id: int,
    owner: str,
    progress: float | None = None,
    message: str | None = None,
    lease_s: float = 20,
    partial: dict | None = None,
    left: tuple[float, float] | None = None,
) -> bool:
    """Renew the lease and store how far the job is; False: end it, as `look` says.

    `left`: the fewest and the most seconds that it may still take; None: unknown.
    """
    news = {
        "progress": progress,
        "message": None if message is None else clean_text(message),
        "partial": None if partial is None else canonical_json(partial),
    }
    values: dict[str, Any] = {name: value for name, value in news.items() if value is not None}
    values["left_low_s"], values["left_high_s"] = left or (None, None)
    if progress is not None:
        further = sa.or_(table.c.furthest.is_(None), table.c.furthest < progress)
        values["attempts"] = sa.case((further, 1), else_=table.c.attempts)
        values["furthest"] = sa.case((further, progress), else_=table.c.furthest)
    asked = time.time()
    with store.write() as connection:
        update = sa.update(table).where(_goes_on(job_id, owner, _patient(store, asked, lease_s)))
        now = time.time()
        renewed = update.values(heartbeat_at=now, lease_until=now + lease_s, **values)
        return connection.execute(renewed).rowcount == 1


def look(store: Store, job: Job, owner: str, kinds: list[str]) -> tuple[bool, bool]:
    """Whether the owner may go on with a job, and whether one of a better priority waits for it. Only reads.

    It may not go on when it was stopped, when nobody wants it any more, or when the lease was lost.
    """
    now = time.time()
    better = [table.c.priority < job.priority, table.c.kind.in_(kinds), _wanted(now)]
    goes_on = sa.exists().where(_goes_on(job.id, owner, now))
    waits = sa.exists().where(_claimable(now), *better)
    with store.read() as connection:
        row = connection.execute(sa.select(goes_on, waits)).one()
    return bool(row[0]), bool(row[1])


def want(store: Store, job_id: int, seconds: float) -> None:
    """Want an open job for `seconds` more; writes only when less than half of them is left.

    A job that is wanted for good stays so. Who only reads the store wants nothing.
    """
    if store.read_only:
        return
    now = time.time()
    due = sa.and_(table.c.id == job_id, _open(), table.c.wanted_until < now + seconds / 2)
    with store.read() as connection:
        if connection.execute(sa.select(table.c.id).where(due)).first() is None:
            return
    with store.write() as connection:
        connection.execute(sa.update(table).where(due).values(wanted_until=now + seconds))


def let_go(store: Store, job_id: int) -> None:
    """Want a job no longer: it is dropped in `GRACE_S` seconds unless someone else wants it or for good."""
    if store.read_only:
        return
    until = time.time() + GRACE_S
    update = sa.update(table).where(table.c.id == job_id, _open(), table.c.wanted_until > until)
    with store.write() as connection:
        connection.execute(update.values(wanted_until=until))


def finish(store: Store, job_id: int, owner: str, result: dict) -> bool:
    """End the job as COMPLETED with its result; False where the lease was lost (nothing is changed then).

    Its partial result is removed: the result replaces it, and lists of jobs stay quick to read.
    """
    values = {"progress": 1.0, "result": canonical_json(result), "partial": None}
    return _end(store, job_id, owner, COMPLETED, **values)


def fail(store: Store, job_id: int, owner: str, error: str) -> bool:
    """End the job as ERROR with a message for a person; False where the lease was lost."""
    return _end(store, job_id, owner, ERROR, error=clean_text(error))


def release(store: Store, job_id: int, owner: str, partial: dict | None = None) -> bool:
    """Give the job back: STOPPED if that was asked for or nobody wants it, else QUEUED, as if never tried."""
    mine = _owned(job_id, owner)
    with store.write() as connection:
        now = time.time()
        if partial is not None:
            connection.execute(sa.update(table).where(mine).values(partial=canonical_json(partial)))
        over = sa.or_(table.c.stop_asked, sa.not_(_wanted(now)))
        if connection.execute(sa.update(table).where(mine, over).values(**_over(now, STOPPED))).rowcount:
            return True
        values = {**_LEFT_UNKNOWN, "state": QUEUED, "owner": None, "lease_until": None}
        again = sa.update(table).where(mine).values(**values, attempts=table.c.attempts - 1)
        return connection.execute(again).rowcount == 1


def expire(store: Store, owner: str) -> None:
    """End the leases of an owner known to be dead, so that its jobs are taken over without waiting."""
    running = sa.update(table).where(table.c.state == RUNNING, table.c.owner == owner)
    with store.write() as connection:
        connection.execute(running.values(lease_until=_DEAD))


def stop(store: Store, job_id: int) -> Job:
    """Stop a queued job at once, ask the owner of a running one to; a finished one stays. Raises NotFound."""
    now = time.time()
    with store.write() as connection:
        asked = sa.update(table).where(table.c.id == job_id, _open()).values(stop_asked=True)
        connection.execute(asked)
        at_once = sa.update(table).where(table.c.id == job_id, _claimable(now))
        connection.execute(at_once.values(**_over(now, STOPPED)))
        return _read(connection, job_id)


def get(store: Store, job_id: int) -> Job:
    """The job of this number. Raises NotFound."""
    with store.read() as connection:
        return _read(connection, job_id)


def listing(
    store: Store,
    states: list[str] | None = None,
    kinds: list[str] | None = None,
    limit: int = 100,
    *,
    results: bool = True,
) -> list[Job]:
    """Jobs, newest first. `results`: with result and partial, which may be long; without them both are
    None."""
    columns = [column for column in table.c if results or column.name not in _LONG]
    query = sa.select(*columns).order_by(table.c.id.desc()).limit(limit)
    for column, chosen in ((table.c.state, states), (table.c.kind, kinds)):
        if chosen is not None:
            query = query.where(column.in_(chosen))
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query)]


def about(store: Store, kind: str, fields: dict, limit: int = 20) -> list[Job]:
    """Jobs of a kind whose payload has just these values in these fields, newest first."""
    written = table.c.payload.contains(canonical_json(fields)[1:-1], autoescape=True)
    query = sa.select(table).where(table.c.kind == kind, written).order_by(table.c.id.desc()).limit(limit)
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query)]


def _last_equal(payload_digest: str) -> sa.ColumnElement[bool]:
    newest = sa.select(sa.func.max(table.c.id)).where(table.c.payload_digest == payload_digest)
    return table.c.id == newest.scalar_subquery()


def _reopen(connection: Connection, wanted_until: float | None, *which: sa.ColumnElement[bool]) -> None:
    """Queue an ended job as if it were new, but with its number and its `partial`."""
    again = sa.update(table).where(table.c.state.in_((STOPPED, ERROR)), *which)
    cleared = dict.fromkeys(("started_at", "finished_at", "error", "progress", "furthest"))
    connection.execute(again.values(**_FRESH, **cleared, wanted_until=wanted_until))


_FRESH = {"state": QUEUED, "stop_asked": False, "attempts": 0, "message": ""}


def _open() -> sa.ColumnElement[bool]:
    return sa.and_(table.c.state.in_((QUEUED, RUNNING)), sa.not_(table.c.stop_asked))


def _patient(store: Store, asked: float, lease_s: float) -> float:
    """The time now, or 0, when nothing is over, for a caller who waited long for the store.

    While it waited, the owner of a lease or a page that wants a job may have been waiting for it, too.
    """
    now = time.time()
    waited = now - asked >= _LONG_WAIT_S or store.patience.back_within(lease_s)
    return 0.0 if waited else now


def _owned(job_id: int, owner: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.id == job_id, table.c.state == RUNNING, table.c.owner == owner)


def _wanted(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.wanted_until.is_(None), table.c.wanted_until >= now)


def _goes_on(job_id: int, owner: str, now: float) -> sa.ColumnElement[bool]:
    return sa.and_(_owned(job_id, owner), sa.not_(table.c.stop_asked), _wanted(now))


def _expired(now: float) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.state == RUNNING, table.c.lease_until < now)


def _claimable(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.state == QUEUED, _expired(now))


def _over(now: float, state: str) -> dict[str, Any]:
    return {**_LEFT_UNKNOWN, "state": state, "owner": None, "lease_until": None, "finished_at": now}


def _bury(connection: Connection, now: float) -> None:
    """End jobs that must not be claimed: stopped or unwanted ones, and those that killed their owners."""
    unwanted = sa.or_(table.c.stop_asked, sa.not_(_wanted(now)))
    connection.execute(sa.update(table).where(_claimable(now), unwanted).values(**_over(now, STOPPED)))
    deadly = sa.update(table).where(_expired(now), table.c.attempts >= MOST_ATTEMPTS)
    connection.execute(deadly.values(**_over(now, ERROR), error=DEADLY))


_LEFT_UNKNOWN = {"left_low_s": None, "left_high_s": None}
DEADLY = (
    f"The engine died {MOST_ATTEMPTS} times at this job without getting further. What ended it is not known "
    "here: the engine's log and the system's may say. What was finished is kept, and starting the job again "
    "resumes from there."
)


def _end(store: Store, job_id: int, owner: str, state: str, **values: Any) -> bool:
    update = sa.update(table).where(_owned(job_id, owner))
    with store.write() as connection:
        return connection.execute(update.values(**_over(time.time(), state), **values)).rowcount == 1


def _read(connection: Connection, job_id: int) -> Job:
    row = connection.execute(sa.select(table).where(table.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"The store holds no job {job_id}.")
    return _typed(row)


def _typed(row: sa.Row) -> Job:
    hidden = ("payload_digest", "lease_until", "wanted_until", "furthest")
    fields = {name: value for name, value in row._asdict().items() if name not in hidden}
    fields["payload"] = json.loads(row.payload)
    for name in _LONG:
        value = fields.get(name)
        fields[name] = None if value is None else json.loads(value)
    return Job(**fields)
