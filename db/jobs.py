"""Jobs: work that a page or a command files and an engine process does.

The contract:

- Exactly one process owns a RUNNING job at a time. Ownership is a lease: `claim` takes it, `heartbeat` renews
  it, `finish`, `fail` and `release` end it, and each of these tells the caller (False) when it was lost.
- A job whose lease ran out is taken over by the next `claim`; after three attempts it ends in ERROR.
- A stop of a RUNNING job is a request: the owner learns of it by the next `heartbeat` and gives the job
  back by `release`, which ends it as STOPPED.
- `partial` is what the job has so far. It outlives owner and stop: the next attempt finds it. A result takes
  its place.
- QUEUED -> RUNNING -> COMPLETED | ERROR | STOPPED, and back to QUEUED by `release`. A stopped or failed job
  is queued again, under its number, by `resume`, and by `submit` of an equal job where it has a `partial`.

Times are unix seconds of the caller's clock: processes on several machines need clocks that agree to a
second.
"""

import json
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

# Lower goes first: someone waits for an interactive job, nobody for a background one.
INTERACTIVE, BACKGROUND = 0, 10

MOST_ATTEMPTS = 3

_LONG_WAIT_S = 1.0


@dataclass(frozen=True)
class Job:
    """One job. `progress` 0 to 1 or None; `message` what it does now; `error` why it failed, for a person.

    `partial`: what a long job has found so far, for pages to show and for the next attempt to go on from.
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


def submit(store: Store, kind: str, payload: dict, priority: int = INTERACTIVE) -> Job:
    """File a job; an equal one that is queued or running is returned instead of a twin.

    An equal one that was stopped or failed and has a `partial` is resumed (`resume`).
    """
    values = {
        "kind": kind,
        "payload": canonical_json(payload),
        "payload_digest": digest([kind, payload]),
        "priority": priority,
        "created_at": time.time(),
        **_FRESH,
    }
    twin = sa.and_(table.c.payload_digest == values["payload_digest"], _open())
    with store.write() as connection:
        while True:
            _reopen(connection, _last_equal(values["payload_digest"]), sa.not_(table.c.partial.is_(None)))
            connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
            urgent = sa.update(table).where(twin, table.c.priority > priority)
            connection.execute(urgent.values(priority=priority))
            row = connection.execute(sa.select(table).where(twin)).one_or_none()
            # None (PostgreSQL only): the twin ended between the two statements, so file the job after all.
            if row is not None:
                return _typed(row)


def resume(store: Store, job_id: int) -> Job:
    """Queue a stopped or failed job again, under its number and with what it has; others stay as they are.

    Where an equal job is open already, that one is returned. Raises NotFound.
    """
    with store.write() as connection:
        job = _one(connection, job_id)
        same = sa.and_(table.c.payload_digest == digest([job.kind, job.payload]), _open())
        if (row := connection.execute(sa.select(table).where(same)).one_or_none()) is not None:
            return _typed(row)
        _reopen(connection, table.c.id == job_id)
        return _one(connection, job_id)


def claim(
    store: Store,
    owner: str,
    lease_s: float = 20,
    kinds: list[str] | None = None,
    *,
    job_id: int | None = None,
    urgent: bool = False,
) -> Job | None:
    """Take the next job for `lease_s` seconds, interactive ones first, oldest first; None if there is none.

    `job_id`: that job or none; `urgent`: an interactive one or none. Jobs of owners that stopped renewing are
    taken over; one that has killed its owner three times ends in ERROR.
    """
    asked = time.time()
    wanted = [] if job_id is None else [table.c.id == job_id]
    wanted += [table.c.priority == INTERACTIVE] if urgent else []
    wanted += [] if kinds is None else [table.c.kind.in_(kinds)]
    # Looked for without the lock first: an idle engine polls, and others want to write.
    with store.read() as connection:
        looked = sa.select(table.c.id).where(_claimable(asked), *wanted).limit(1)
        if connection.execute(looked).first() is None:
            return None
    with store.write() as connection:
        # Who had to wait for the lock was not alone: the owner of a lease that is over may be waiting, too.
        now = time.time()
        now = now if now - asked < _LONG_WAIT_S else 0.0
        _bury(connection, now)
        query = sa.select(table.c.id).where(_claimable(now), *wanted)
        query = query.order_by(table.c.priority, table.c.id).limit(1)
        found = connection.execute(query.with_for_update(skip_locked=True)).scalar_one_or_none()
        if found is None:
            return None
        taken = time.time()
        update = sa.update(table).where(table.c.id == found)
        update = update.values(
            state=RUNNING,
            owner=owner,
            attempts=table.c.attempts + 1,
            lease_until=taken + lease_s,
            heartbeat_at=taken,
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
) -> bool:
    """Renew the lease, tell how far the job is; False: give up, stop was asked or the lease was lost."""
    told = {
        "progress": progress,
        "message": None if message is None else clean_text(message),
        "partial": None if partial is None else canonical_json(partial),
    }
    values = {name: value for name, value in told.items() if value is not None}
    update = sa.update(table).where(_owned(job_id, owner), sa.not_(table.c.stop_asked))
    with store.write() as connection:
        now = time.time()
        renewed = update.values(heartbeat_at=now, lease_until=now + lease_s, **values)
        return connection.execute(renewed).rowcount == 1


def finish(store: Store, job_id: int, owner: str, result: dict) -> bool:
    """End the job as COMPLETED with its result; False where the lease was lost (nothing is changed then).

    What it had so far is dropped: the result says it better, and lists of jobs stay quick to read.
    """
    done = {"progress": 1.0, "result": canonical_json(result), "partial": None}
    return _end(store, job_id, owner, COMPLETED, **done)


def fail(store: Store, job_id: int, owner: str, error: str) -> bool:
    """End the job as ERROR with a message for a person; False where the lease was lost."""
    return _end(store, job_id, owner, ERROR, error=clean_text(error))


def release(store: Store, job_id: int, owner: str, partial: dict | None = None) -> bool:
    """Give the job back: STOPPED if that was asked for, otherwise QUEUED again, the attempt not counted."""
    with store.write() as connection:
        if partial is not None:
            so_far = sa.update(table).where(_owned(job_id, owner))
            connection.execute(so_far.values(partial=canonical_json(partial)))
        stopped = sa.update(table).where(_owned(job_id, owner), table.c.stop_asked)
        if connection.execute(stopped.values(**_over(time.time(), STOPPED))).rowcount:
            return True
        again = sa.update(table).where(_owned(job_id, owner))
        values = {"state": QUEUED, "owner": None, "lease_until": None, "attempts": table.c.attempts - 1}
        return connection.execute(again.values(**values)).rowcount == 1


def expire(store: Store, owner: str) -> None:
    """End the leases of an owner known to be dead, so that its jobs are taken over without waiting."""
    running = sa.update(table).where(table.c.state == RUNNING, table.c.owner == owner)
    with store.write() as connection:
        connection.execute(running.values(lease_until=0.0))


def stop(store: Store, job_id: int) -> Job:
    """Stop a queued job at once, ask the owner of a running one to; a finished one stays. Raises NotFound."""
    now = time.time()
    with store.write() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == job_id, _claimable(now)).values(**_over(now, STOPPED))
        )
        running = sa.update(table).where(table.c.id == job_id, table.c.state == RUNNING)
        connection.execute(running.values(stop_asked=True))
        return _one(connection, job_id)


def get(store: Store, job_id: int) -> Job:
    """The job of this number. Raises NotFound."""
    with store.read() as connection:
        return _one(connection, job_id)


def listing(
    store: Store, states: list[str] | None = None, kinds: list[str] | None = None, limit: int = 100
) -> list[Job]:
    """Jobs, newest first."""
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    for column, wanted in ((table.c.state, states), (table.c.kind, kinds)):
        if wanted is not None:
            query = query.where(column.in_(wanted))
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


def _reopen(connection: Connection, *which: sa.ColumnElement[bool]) -> None:
    """Queue an ended job as if it were new, but with its number and its `partial`."""
    again = sa.update(table).where(table.c.state.in_((STOPPED, ERROR)), *which)
    connection.execute(again.values(**_FRESH, started_at=None, finished_at=None, error=None, progress=None))


_FRESH = {"state": QUEUED, "stop_asked": False, "attempts": 0, "message": ""}


def _open() -> sa.ColumnElement[bool]:
    return sa.and_(table.c.state.in_((QUEUED, RUNNING)), sa.not_(table.c.stop_asked))


def _owned(job_id: int, owner: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.id == job_id, table.c.state == RUNNING, table.c.owner == owner)


def _expired(now: float) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.state == RUNNING, table.c.lease_until < now)


def _claimable(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.state == QUEUED, _expired(now))


def _over(now: float, state: str) -> dict[str, Any]:
    return {"state": state, "owner": None, "lease_until": None, "finished_at": now}


def _bury(connection: Connection, now: float) -> None:
    """End abandoned jobs that shall not be taken up again: stopped ones, and those that kill the engine."""
    connection.execute(
        sa.update(table).where(_expired(now), table.c.stop_asked).values(**_over(now, STOPPED))
    )
    deadly = sa.update(table).where(_expired(now), table.c.attempts >= MOST_ATTEMPTS)
    connection.execute(deadly.values(**_over(now, ERROR), error=_DEADLY))


_DEADLY = (
    f"The engine died {MOST_ATTEMPTS} times while it worked on this job, most likely for want of memory. "
    "What a study or a tuning had done until then is kept: asking again goes on from there. If that dies, "
    "too, try a smaller model, fewer candidates or a smaller file."
)


def _end(store: Store, job_id: int, owner: str, state: str, **values: Any) -> bool:
    update = sa.update(table).where(_owned(job_id, owner))
    with store.write() as connection:
        return connection.execute(update.values(**_over(time.time(), state), **values)).rowcount == 1


def _one(connection: Connection, job_id: int) -> Job:
    row = connection.execute(sa.select(table).where(table.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"The store holds no job {job_id}.")
    return _typed(row)


def _typed(row: sa.Row) -> Job:
    fields = {
        name: value for name, value in row._asdict().items() if name not in ("payload_digest", "lease_until")
    }
    fields["payload"] = json.loads(row.payload)
    for name in ("result", "partial"):
        value = getattr(row, name)
        fields[name] = None if value is None else json.loads(value)
    return Job(**fields)
