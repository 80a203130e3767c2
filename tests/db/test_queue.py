"""Which open jobs are done before one, and which jobs are over."""

import time

import pytest

from db import jobs, queue
from db.store import Store


def test_what_runs_comes_first_then_what_waits_in_the_order_of_the_engine(store: Store) -> None:
    study = jobs.submit(store, "study", {})
    running = jobs.claim(store, "engine")
    assert running is not None
    pool = jobs.submit(store, "pool", {})
    ranks = [jobs.submit(store, "rank", {"n": n}) for n in range(3)]
    known = queue.glance(store)
    assert [job.id for job in known] == [study.id, *(rank.id for rank in ranks), pool.id]
    # A study gives way to all of them; a ranking waits for the rankings filed before it.
    assert [queue.before(known, job.id) for job in ranks] == [0, 1, 2]
    assert queue.before(known, pool.id) == 3
    assert queue.before(known, study.id) == 0
    assert queue.before(known, 99) == 0


def test_a_running_job_of_the_same_urgency_is_before_the_next(store: Store) -> None:
    first, second = (jobs.submit(store, "rank", {"n": n}) for n in range(2))
    assert jobs.claim(store, "engine") is not None
    known = queue.glance(store)
    assert queue.before(known, second.id) == 1
    assert queue.before(known, first.id) == 0


def test_a_job_that_nobody_wants_is_before_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.submit(store, "rank", {"n": 0}, wanted_s=1)
    mine = jobs.submit(store, "rank", {"n": 1})
    later = time.time() + 5
    monkeypatch.setattr("db.queue.time.time", lambda: later)
    assert queue.before(queue.glance(store), mine.id) == 0


def test_which_jobs_are_over(store: Store) -> None:
    over, waits = (jobs.submit(store, "rank", {"n": n}) for n in range(2))
    jobs.stop(store, over.id)
    assert queue.ended(store, [over.id, waits.id, 99]) == {over.id, 99}
