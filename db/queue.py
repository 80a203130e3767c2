"""The open jobs at a glance, in the order in which an engine takes them. Cheap: pages look every second."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from db.jobs import QUEUED, RUNNING
from db.schema import jobs as table
from db.store import Store


@dataclass(frozen=True)
class Open:
    """How an open job stands, without what was asked and what it has so far."""

    id: int
    kind: str
    priority: int
    state: str
    stop_asked: bool
    progress: float | None
    message: str
    attempts: int


def glance(store: Store) -> list[Open]:
    """All open jobs: what runs first, then what waits, in turn. Those that nobody wants are left out."""
    wanted = sa.or_(table.c.wanted_until.is_(None), table.c.wanted_until >= time.time())
    columns = [table.c[name] for name in Open.__dataclass_fields__]
    query = sa.select(*columns).where(table.c.state.in_((QUEUED, RUNNING)), wanted)
    query = query.order_by(table.c.state.desc(), table.c.priority, table.c.id)
    with store.read() as connection:
        return [Open(*row) for row in connection.execute(query)]


def before(known: Sequence[Open], job_id: int) -> int:
    """How many jobs are done before a waiting one: those that go first, and one that does not give way.

    0 where it is not waiting.
    """
    mine = next((job for job in known if job.id == job_id and job.state == QUEUED), None)
    if mine is None:
        return 0
    return sum(
        job.priority <= mine.priority
        if job.state == RUNNING
        else (job.priority, job.id) < (mine.priority, mine.id)
        for job in known
    )


def ended(store: Store, ids: Iterable[int]) -> set[int]:
    """Those of these jobs that are over."""
    wanted = set(ids)
    query = sa.select(table.c.id).where(table.c.id.in_(wanted), table.c.state.in_((QUEUED, RUNNING)))
    with store.read() as connection:
        return wanted - set(connection.execute(query).scalars())
