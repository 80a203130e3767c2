"""Jobs: one owner at a time, leases, stops, attempts; the contract on `db.jobs`."""

import threading

import pytest

from db import jobs
from db.errors import BadInput, NotFound
from db.jobs import BACKGROUND, COMPLETED, ERROR, GRACE_S, PRIORITY, QUEUED, RANKING, RUNNING, STOPPED, Job
from db.store import Store


class Clock:
    """The time that `db.jobs` sees; moves only when told, or by `step` each time it is asked."""

    def __init__(self) -> None:
        self.now, self.step = 1_000_000.0, 0.0

    def time(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("db.jobs.time", clock)
    return clock


def claim(store: Store, owner: str = "one", **options) -> Job:
    job = jobs.claim(store, owner, **options)
    assert job is not None
    return job


def test_a_job_from_filing_to_its_result(store: Store, clock: Clock) -> None:
    filed = jobs.submit(store, "rank", {"request": {"user": "ü\x00\ud800"}})
    assert (filed.state, filed.attempts, filed.owner, filed.progress) == (QUEUED, 0, None, None)
    clock.now += 1
    claimed = claim(store)
    assert (claimed.id, claimed.state, claimed.owner, claimed.attempts) == (filed.id, RUNNING, "one", 1)
    assert claimed.payload == {"request": {"user": "ü\x00\ud800"}}
    assert claimed.started_at == clock.now
    clock.now += 1
    assert jobs.heartbeat(store, filed.id, "one", 0.25, "reading \ud800")
    assert jobs.heartbeat(store, filed.id, "one")
    running = jobs.get(store, filed.id)
    assert (running.progress, running.message, running.heartbeat_at) == (0.25, "reading �", clock.now)
    clock.now += 1
    assert jobs.finish(store, filed.id, "one", {"run": "abc"})
    done = jobs.get(store, filed.id)
    assert (done.state, done.result, done.progress, done.finished_at) == (
        COMPLETED,
        {"run": "abc"},
        1.0,
        clock.now,
    )
    assert jobs.claim(store, "one") is None


def test_a_failed_job_keeps_its_reason(store: Store) -> None:
    job = jobs.submit(store, "import", {"path": "x"})
    claim(store)
    assert jobs.fail(store, job.id, "one", "x.csv, line 3: \x00 no number")
    failed = jobs.get(store, job.id)
    assert (failed.state, failed.error) == (ERROR, "x.csv, line 3: � no number")
    assert jobs.claim(store, "one") is None


def test_the_better_priority_goes_first_then_the_oldest(store: Store) -> None:
    slow = [jobs.submit(store, "rank", {"n": n}, priority=BACKGROUND) for n in range(2)]
    quick = [jobs.submit(store, "rank", {"n": n}) for n in range(2, 4)]
    assert [claim(store).id for _ in range(4)] == [job.id for job in quick + slow]
    assert quick[0].priority == RANKING


def test_each_kind_has_its_priority(store: Store) -> None:
    order = ["tune", "optimize", "import", "effects", "rank"]
    filed = {kind: jobs.submit(store, kind, {}) for kind in order}
    claimed = [claim(store).kind for _ in order]
    assert claimed == ["rank", "effects", "optimize", "import", "tune"]
    assert {kind: job.priority for kind, job in filed.items()} == {kind: PRIORITY[kind] for kind in order}


def test_only_the_kinds_asked_for_are_claimed(store: Store) -> None:
    jobs.submit(store, "import", {})
    rank = jobs.submit(store, "rank", {})
    assert claim(store, kinds=["rank", "effects"]).id == rank.id
    assert jobs.claim(store, "two", kinds=["rank", "effects"]) is None
    assert jobs.claim(store, "two", kinds=[]) is None


def test_an_equal_open_job_is_returned_instead_of_a_twin(store: Store) -> None:
    first = jobs.submit(store, "rank", {"a": 1, "b": 2}, priority=BACKGROUND)
    urgent = jobs.submit(store, "rank", {"b": 2, "a": 1})
    assert (urgent.id, urgent.priority) == (first.id, RANKING)
    assert jobs.submit(store, "rank", {"a": 1, "b": 2}, priority=BACKGROUND).priority == RANKING
    assert jobs.submit(store, "effects", {"a": 1, "b": 2}).id != first.id
    assert jobs.submit(store, "rank", {"a": 1, "b": 3}).id != first.id
    claim(store)
    assert jobs.submit(store, "rank", {"a": 1, "b": 2}).id == first.id
    jobs.finish(store, first.id, "one", {})
    assert jobs.submit(store, "rank", {"a": 1, "b": 2}).id != first.id


def test_a_job_about_to_stop_is_no_twin(store: Store) -> None:
    first = jobs.submit(store, "rank", {})
    claim(store)
    jobs.stop(store, first.id)
    second = jobs.submit(store, "rank", {})
    assert second.id != first.id
    assert jobs.release(store, first.id, "one")
    assert jobs.get(store, second.id).state == QUEUED


def test_a_payload_that_is_no_json_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="nan"):
        jobs.submit(store, "rank", {"weight": float("nan")})
    assert jobs.listing(store) == []


def test_a_job_whose_owner_died_is_taken_over(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "rank", {})
    claim(store, lease_s=20)
    clock.now += 19
    assert jobs.claim(store, "two") is None
    assert jobs.heartbeat(store, job.id, "one", lease_s=20)
    clock.now += 19
    assert jobs.claim(store, "two") is None
    clock.now += 2
    taken = claim(store, "two")
    assert (taken.id, taken.owner, taken.attempts) == (job.id, "two", 2)
    assert not jobs.heartbeat(store, job.id, "one")
    assert not jobs.finish(store, job.id, "one", {})
    assert not jobs.fail(store, job.id, "one", "late")
    assert not jobs.release(store, job.id, "one")
    assert jobs.get(store, job.id).state == RUNNING
    assert jobs.finish(store, job.id, "two", {"by": "two"})
    assert jobs.get(store, job.id).result == {"by": "two"}


def test_an_owner_that_was_late_but_not_replaced_goes_on(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "rank", {})
    claim(store, lease_s=20)
    clock.now += 60
    assert jobs.heartbeat(store, job.id, "one")
    assert jobs.claim(store, "two") is None


def test_a_claim_that_waited_long_for_the_lock_takes_over_nothing(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "rank", {})
    claim(store, lease_s=20)
    clock.now += 21
    # As when a long import holds the lock: the owner could not renew its lease in the meantime.
    clock.step = 30.0
    assert jobs.claim(store, "two") is None
    clock.step = 0.0
    assert jobs.heartbeat(store, job.id, "one")
    assert jobs.claim(store, "two") is None
    clock.now += 21
    assert claim(store, "two").id == job.id


def test_a_job_that_kills_its_owner_three_times_ends_in_error(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "rank", {})
    for attempt in range(1, 4):
        assert claim(store, f"worker {attempt}").attempts == attempt
        clock.now += 30
    assert jobs.claim(store, "worker 4") is None
    dead = jobs.get(store, job.id)
    assert dead.state == ERROR
    assert "died 3 times" in (dead.error or "")
    assert jobs.submit(store, "rank", {}).id != job.id


def test_a_job_that_gets_further_each_time_never_ends_in_error(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "study", {})
    for attempt in range(1, 12):
        owner = f"worker {attempt}"
        assert claim(store, owner).id == job.id
        # It begins below where the one before ended, as a study does that repeats what was not stored.
        assert jobs.heartbeat(store, job.id, owner, attempt / 20 - 0.02, "again")
        assert jobs.heartbeat(store, job.id, owner, attempt / 20, "further")
        clock.now += 30


def test_deaths_at_the_same_place_end_it_without_a_guess_at_the_cause(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "study", {})
    for attempt in range(1, 5):
        owner = f"worker {attempt}"
        claim(store, owner)
        for progress in (0.1, min(0.2 * attempt, 0.4)):
            assert jobs.heartbeat(store, job.id, owner, progress)
        clock.now += 30
    assert jobs.claim(store, "worker 5") is None  # the last three came no further than 0.4
    error = jobs.get(store, job.id).error or ""
    assert "without getting further" in error
    assert "memory" not in error


def test_a_clean_shutdown_is_no_attempt(store: Store) -> None:
    job = jobs.submit(store, "rank", {})
    for _ in range(5):
        assert claim(store).attempts == 1
        assert jobs.release(store, job.id, "one")
        assert jobs.get(store, job.id).state == QUEUED


def test_a_queued_job_stops_at_once(store: Store) -> None:
    job = jobs.submit(store, "rank", {})
    assert jobs.stop(store, job.id).state == STOPPED
    assert jobs.claim(store, "one") is None


def test_a_running_job_is_asked_to_stop(store: Store) -> None:
    job = jobs.submit(store, "rank", {})
    claim(store)
    assert jobs.stop(store, job.id).stop_asked
    assert jobs.get(store, job.id).state == RUNNING
    assert not jobs.heartbeat(store, job.id, "one")
    assert jobs.release(store, job.id, "one")
    assert jobs.get(store, job.id).state == STOPPED
    assert jobs.claim(store, "two") is None


def test_work_that_was_done_before_the_stop_arrived_counts(store: Store) -> None:
    job = jobs.submit(store, "rank", {})
    claim(store)
    jobs.stop(store, job.id)
    assert jobs.finish(store, job.id, "one", {"run": "abc"})
    assert jobs.get(store, job.id).state == COMPLETED
    assert jobs.stop(store, job.id).state == COMPLETED


def test_a_stopped_job_of_a_dead_owner_is_not_taken_up(store: Store, clock: Clock) -> None:
    asked, dead = jobs.submit(store, "rank", {"n": 1}), jobs.submit(store, "rank", {"n": 2})
    claim(store)
    claim(store)
    jobs.stop(store, asked.id)
    clock.now += 30
    assert jobs.stop(store, dead.id).state == STOPPED
    assert jobs.claim(store, "two") is None
    assert jobs.get(store, asked.id).state == STOPPED


def test_the_list_is_newest_first(store: Store) -> None:
    filed = [jobs.submit(store, kind, {"n": n}) for n, kind in enumerate(["rank", "import", "rank"])]
    claim(store)
    assert [job.id for job in jobs.listing(store)] == [job.id for job in reversed(filed)]
    assert [job.id for job in jobs.listing(store, states=[RUNNING])] == [filed[0].id]
    assert [job.id for job in jobs.listing(store, kinds=["rank"], limit=1)] == [filed[2].id]
    with pytest.raises(NotFound, match="job 999"):
        jobs.get(store, 999)
    with pytest.raises(NotFound):
        jobs.stop(store, 999)


def test_many_claimers_never_share_a_job(store: Store) -> None:
    for number in range(24):
        jobs.submit(store, "rank", {"n": number})
    taken: list[tuple[int, str]] = []

    def work(owner: str) -> None:
        while job := jobs.claim(store, owner):
            taken.append((job.id, owner))
            assert jobs.finish(store, job.id, owner, {})

    threads = [threading.Thread(target=work, args=(f"owner {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job_id for job_id, _ in taken) == sorted({job_id for job_id, _ in taken})
    assert [job.state for job in jobs.listing(store)] == [COMPLETED] * 24
    assert {job.attempts for job in jobs.listing(store)} == {1}


def test_what_a_job_has_so_far_outlives_its_owner_and_its_stop(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "tune", {"steps": 3})
    assert claim(store).partial is None
    assert jobs.heartbeat(store, job.id, "one", partial={"curve": [1.5]})
    assert jobs.heartbeat(store, job.id, "one", 0.5)  # says nothing of it and takes nothing away
    clock.now += 60
    assert claim(store, "two").partial == {"curve": [1.5]}
    jobs.stop(store, job.id)
    assert not jobs.heartbeat(store, job.id, "two", partial={"curve": []})
    assert jobs.release(store, job.id, "two", {"curve": [1.5, 1.2]})
    again = jobs.submit(store, "tune", {"steps": 3})
    assert (again.id, again.state, again.partial) == (job.id, QUEUED, {"curve": [1.5, 1.2]})
    assert (again.started_at, again.finished_at, again.stop_asked) == (None, None, False)
    assert jobs.submit(store, "tune", {"steps": 4}).partial is None
    claim(store)
    assert jobs.finish(store, again.id, "one", {})
    assert jobs.get(store, again.id).partial is None, "the result took its place"
    assert jobs.submit(store, "tune", {"steps": 3}).partial is None


def test_a_resumed_job_keeps_its_number_and_an_open_twin_is_taken_instead(store: Store) -> None:
    job = jobs.submit(store, "study", {"users": 3})
    claim(store)
    jobs.fail(store, job.id, "one", "out of memory")
    resumed = jobs.resume(store, job.id)
    assert (resumed.id, resumed.state, resumed.error, resumed.attempts) == (job.id, QUEUED, None, 0)
    assert jobs.resume(store, job.id) == resumed, "an open job stays as it is"
    jobs.stop(store, job.id)
    other = jobs.submit(store, "study", {"users": 3})  # nothing was kept: a job of its own
    assert other.id != job.id
    assert jobs.resume(store, job.id).id == other.id
    claim(store)
    jobs.finish(store, other.id, "one", {"n": 1})
    assert jobs.resume(store, other.id).result == {"n": 1}
    with pytest.raises(NotFound):
        jobs.resume(store, 99)


def test_a_claim_of_one_job_or_of_better_ones_takes_no_other(store: Store) -> None:
    quiet = jobs.submit(store, "tune", {})
    other = jobs.submit(store, "tune", {"other": 1})
    assert jobs.claim(store, "one", better_than=quiet.priority) is None
    assert claim(store, job_id=other.id).id == other.id
    assert jobs.claim(store, "two", job_id=other.id) is None
    urgent = jobs.submit(store, "rank", {})
    assert claim(store, better_than=quiet.priority).id == urgent.id
    assert claim(store).id == quiet.id


def test_a_job_that_nobody_wants_any_more_is_dropped(store: Store, clock: Clock) -> None:
    queued = jobs.submit(store, "effects", {"n": 1}, wanted_s=10)
    running = jobs.submit(store, "rank", {"n": 2}, wanted_s=10)
    good = jobs.submit(store, "study", {"n": 3})
    assert claim(store).id == running.id
    clock.now += 11
    assert jobs.look(store, running, "one", ["rank"]) == (False, False)
    assert not jobs.heartbeat(store, running.id, "one")
    assert jobs.release(store, running.id, "one")
    assert claim(store).id == good.id, "wanted for good"
    for job in (queued, running):
        assert jobs.get(store, job.id).state == STOPPED
        assert jobs.get(store, job.id).dropped, "a page that wants it files it again"


def test_a_watcher_keeps_a_job_wanted_and_writes_seldom(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.submit(store, "effects", {}, wanted_s=10)
    good = jobs.submit(store, "effects", {"for": "good"})
    writes = 0
    write = Store.write

    def counted(self: Store):
        nonlocal writes
        writes += 1
        return write(self)

    monkeypatch.setattr(Store, "write", counted)
    for _ in range(100):
        clock.now += 0.5
        jobs.want(store, job.id, 10)
        jobs.want(store, good.id, 10)
    assert writes == 9
    assert claim(store).id == job.id
    clock.now += 11
    assert claim(store).id == good.id
    assert jobs.release(store, job.id, "one")
    jobs.want(store, job.id, 10)
    assert jobs.get(store, job.id).state == STOPPED, "what has ended stays"


def test_a_job_let_go_by_one_page_is_kept_by_another(store: Store, clock: Clock) -> None:
    shared, alone, good = (jobs.submit(store, "effects", {"n": n}, wanted_s=10) for n in range(3))
    assert jobs.submit(store, "effects", {"n": 2}).id == good.id, "asked for by a command as well"
    for job in (shared, alone, good):
        jobs.let_go(store, job.id)
    clock.now += GRACE_S / 2
    jobs.want(store, shared.id, 10)
    clock.now += GRACE_S
    assert [claim(store).id for _ in range(2)] == [shared.id, good.id]
    assert jobs.claim(store, "one") is None
    assert jobs.get(store, alone.id).dropped
    assert not jobs.get(store, shared.id).dropped


def test_a_job_asked_for_again_is_wanted_again(store: Store, clock: Clock) -> None:
    first = jobs.submit(store, "effects", {}, wanted_s=10)
    jobs.let_go(store, first.id)
    assert jobs.submit(store, "effects", {}, wanted_s=10).id == first.id
    clock.now += 9
    assert claim(store).id == first.id
    assert jobs.stop(store, first.id).stop_asked
    assert not jobs.get(store, first.id).dropped, "a person stopped it"
    queued = jobs.submit(store, "effects", {}, wanted_s=10)
    assert not jobs.stop(store, queued.id).dropped


def test_a_claim_that_waited_long_for_the_lock_drops_nothing(store: Store, clock: Clock) -> None:
    job = jobs.submit(store, "effects", {}, wanted_s=10)
    clock.now += 11
    clock.step = 30.0
    claim(store)
    assert jobs.heartbeat(store, job.id, "one"), "the page waited for the lock, too"


def test_a_look_says_whether_to_go_on_and_whether_to_give_way(store: Store) -> None:
    job = jobs.submit(store, "tune", {})
    claim(store)
    assert jobs.look(store, job, "one", list(PRIORITY)) == (True, False)
    jobs.submit(store, "study", {})
    assert jobs.look(store, job, "one", list(PRIORITY)) == (True, False), "of the same priority"
    jobs.submit(store, "rank", {})
    assert jobs.look(store, job, "one", list(PRIORITY)) == (True, True)
    assert jobs.look(store, job, "one", ["tune"]) == (True, False), "nothing this worker can do"
    assert jobs.look(store, job, "two", list(PRIORITY)) == (False, True), "the lease is another's"
    jobs.stop(store, job.id)
    assert jobs.look(store, job, "one", list(PRIORITY)) == (False, True)


def test_the_time_left_is_of_the_running_attempt(store: Store) -> None:
    job = jobs.submit(store, "study", {})
    claim(store)
    assert jobs.heartbeat(store, job.id, "one", 0.5, left=(60.0, 90.0))
    running = jobs.get(store, job.id)
    assert (running.left_low_s, running.left_high_s) == (60.0, 90.0)
    assert jobs.heartbeat(store, job.id, "one")
    assert jobs.get(store, job.id).left_high_s is None, "unknown again"
    assert jobs.heartbeat(store, job.id, "one", left=(60.0, 90.0))
    assert jobs.release(store, job.id, "one")
    assert jobs.get(store, job.id).left_low_s is None


def test_a_listing_without_results_reads_none(store: Store) -> None:
    job = jobs.submit(store, "study", {"a": 1})
    jobs.claim(store, "me", 60)
    jobs.finish(store, job.id, "me", {"long": "result"})
    assert [each.result for each in jobs.listing(store)] == [{"long": "result"}]
    [light] = jobs.listing(store, results=False)
    assert (light.id, light.payload, light.result, light.partial) == (job.id, {"a": 1}, None, None)


def test_a_job_is_taken_as_it_is_filed_before_anybody_else_can(store: Store) -> None:
    job = jobs.submit(store, "study", {"a": 1}, owner="me", lease_s=60)
    assert (job.state, job.owner, job.attempts) == (jobs.RUNNING, "me", 1)
    assert jobs.claim(store, "you", 60) is None
    assert jobs.submit(store, "study", {"a": 1}, owner="you").owner == "me"
    assert jobs.finish(store, job.id, "me", {"done": True})
    again = jobs.submit(store, "study", {"a": 1}, owner="you", lease_s=60)
    assert (again.state, again.owner) == (jobs.RUNNING, "you")
    jobs.release(store, again.id, "you")
    jobs.claim(store, "other", 60)
    assert jobs.submit(store, "study", {"a": 1}, owner="you").owner == "other"
