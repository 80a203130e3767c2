"""A workspace that version 0.1.0 wrote opens as it was: every run and job is there and reads the same.

`stores/make_store.py` says how it was made; `stores/expected.json` is what that version found in it. A change
that makes these tests fail makes people's stored runs unreadable. They are shown and never served as answers:
numbers changed since (`ENGINE_VERSION`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import demonstrations, jobs, optimizations, runs
from db.effect_results import current
from db.requests import OptimizeRequest, RunRequest, StudyRequest, TuneRequest, request_digest
from db.settings import Settings
from db.store import Store
from tests.db.stores import reading
from tests.db.stores.reading import EXPECTED

Opened = tuple[Store, Settings]
ASKED_BY = {"tune": TuneRequest, "study": StudyRequest, "optimize": OptimizeRequest}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The old store for tests that only read it."""
    settings = reading.unpack(tmp_path_factory.mktemp("old") / "home")
    with Store.open(settings) as store:
        yield store, settings


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Opened]:
    """The old store for a test that writes to it."""
    settings = reading.unpack(tmp_path / "home")
    with Store.open(settings) as store:
        yield store, settings


def test_it_is_brought_to_the_newest_migration(opened: Opened, tmp_path: Path) -> None:
    fresh = Settings(home=tmp_path / "new", database_url="sqlite:///{home}/dualens.db")
    Store.open(fresh).close()
    for query in (
        "SELECT version_num FROM alembic_version",
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
    ):
        assert reading.rows(opened[1], query) == reading.rows(fresh, query)


def test_opening_changes_no_row(tmp_path: Path) -> None:
    settings = reading.unpack(tmp_path / "home")
    kept = [name for name in reading.tables(settings) if name != "alembic_version"]
    before = {name: reading.rows(settings, f"SELECT * FROM {name}") for name in kept}
    assert {name: len(found) for name, found in before.items()} == {
        name: count for name, count in EXPECTED["rows"].items() if name in kept
    }
    Store.open(settings).close()
    for name, found in before.items():
        columns = ", ".join(f'"{column}"' for column in found[0])
        assert reading.rows(settings, f"SELECT {columns} FROM {name}") == found, name


def test_every_run_is_listed(opened: Opened) -> None:
    listed = {summary.key: summary for summary in runs.listing(opened[0], limit=1000)}
    kept = {run["key"]: run for run in EXPECTED["runs"] if not run["deleted"]}
    assert listed.keys() == kept.keys()
    assert len(kept) == 48
    for key, run in kept.items():
        summary = listed[key]
        assert summary.request.to_json() == run["request"], key
        assert (summary.dataset, summary.user_id, summary.model) == tuple(
            run["request"][name] for name in ("dataset", "user", "model")
        )
        assert (summary.note, summary.tags, summary.starred) == (run["note"], run["tags"], run["starred"])
        assert summary.title, key
        assert summary.metrics["rank"] >= 1, key


def test_every_run_reads_back_as_it_was_stored(opened: Opened) -> None:
    store, settings = opened
    raw = {row["key"]: row for row in reading.rows(settings, "SELECT * FROM runs")}
    for run in EXPECTED["runs"]:
        row, found = raw[run["key"]], runs.by_key(store, run["key"])
        assert json.loads(row["request"]) == run["request"]
        assert row["request_digest"] == run["request_digest"]
        if run["deleted"]:
            assert found is None, run["key"]
            continue
        assert found is not None, run["key"]
        assert found.request.to_json() == run["request"], run["key"]
        assert found.request == RunRequest.from_json(run["request"])
        assert found.request_digest == run["request_digest"], run["key"]
        assert found.dataset_id == run["dataset_id"], run["key"]
        assert found.result == json.loads(row["result"]), run["key"]
        assert found.timings_ms == json.loads(row["timings_ms"]), run["key"]
        assert (found.note, found.tags, found.starred) == (run["note"], run["tags"], run["starred"])


def test_deleted_runs_come_back(own: Opened) -> None:
    gone = [run for run in EXPECTED["runs"] if run["deleted"]]
    assert len(gone) == 2
    for run in gone:
        runs.restore(own[0], run["key"])
        found = runs.by_key(own[0], run["key"])
        assert found is not None
        assert found.request.to_json() == run["request"]


def test_a_request_asked_again_is_another_question(opened: Opened) -> None:
    """Numbers changed since: no old run may answer it, whatever else is equal."""
    known = [run for run in EXPECTED["runs"] if run["digest_now"] is not None]
    assert len(known) == 46, "of 50; the others' data set or model was deleted"
    for run in known:
        now = request_digest(opened[0], RunRequest.from_json(run["request"]))
        assert now not in EXPECTED["run_requests"], run["request"]


def test_every_request_finds_its_run(opened: Opened) -> None:
    deleted = {run["key"] for run in EXPECTED["runs"] if run["deleted"]}
    for asked, key in EXPECTED["run_requests"].items():
        found = runs.by_request(opened[0], asked)
        assert (None if found is None else found.key) == (None if key in deleted else key)


def test_every_effect_is_found(opened: Opened) -> None:
    store, settings = opened
    raw = {row["effects_key"]: row for row in reading.rows(settings, "SELECT * FROM effects")}
    assert len(EXPECTED["effects"]) == len(raw) == 10
    for each in EXPECTED["effects"]:
        found = runs.find_effects(store, each["effects_key"])
        assert found is not None, each
        assert (found.run_key, found.options) == (each["run_key"], each["options"])
        stored = json.loads(raw[each["effects_key"]]["result"])
        assert found.result == current(stored, each["options"])
        assert found.result["mode"] == each["options"].get("mode", "direct")
        read = [row["effect"] for row in found.result["demonstrations"]]
        assert read == [row["effect"] for row in stored["demonstrations"]]
        gone = found.result["value_zero_shot"] - found.result["value"]
        assert gone == pytest.approx(found.result["effect_total"])
        assert found in runs.effects(store, each["run_key"])


def test_every_optimization_is_found(opened: Opened) -> None:
    store, settings = opened
    raw = {row["key"]: row for row in reading.rows(settings, "SELECT * FROM optimizations")}
    assert len(EXPECTED["optimizations"]) == len(raw) == 12
    for each in EXPECTED["optimizations"]:
        found = optimizations.find(store, each["key"])
        assert found is not None, each
        assert {name: getattr(found, name) for name in each} == each
        assert found.result == json.loads(raw[each["key"]]["result"])
        assert found in optimizations.listing(store, each["dataset_id"], each["user_id"])


def test_every_demonstration_is_found(opened: Opened) -> None:
    by_dataset: dict[int, list[dict[str, Any]]] = {}
    for each in EXPECTED["demonstrations"]:
        by_dataset.setdefault(each["dataset_id"], []).append(each)
    for dataset, wanted in by_dataset.items():
        found = demonstrations.get_many(opened[0], [each["id"] for each in wanted], dataset)
        assert len(found) == len(wanted)
        for each in wanted:
            one = found[each["id"]]
            assert one.source == each["source"]
            assert (one.text_override is not None) == bool(each["written"])
        by_hand = {each["id"] for each in wanted if each["source"] == "hand-written"}
        assert {one.id for one in demonstrations.written(opened[0], dataset, 100)} == by_hand


def test_every_job_is_listed(opened: Opened) -> None:
    store, settings = opened
    raw = {row["id"]: row for row in reading.rows(settings, "SELECT * FROM jobs")}
    listed = {job.id: job for job in jobs.listing(store, limit=1000)}
    assert listed.keys() == {job["id"] for job in EXPECTED["jobs"]}
    for job in EXPECTED["jobs"]:
        found, row = listed[job["id"]], raw[job["id"]]
        assert {name: getattr(found, name) for name in ("kind", "state", "priority", "payload", "error")} == {
            name: job[name] for name in ("kind", "state", "priority", "payload", "error")
        }
        for name in ("result", "partial"):
            assert getattr(found, name) == (row[name] and json.loads(row[name])), job["id"]
            assert (row[name] is not None) == bool(job[f"has_{name}"]), job["id"]


def test_there_are_jobs_of_every_kind_and_state() -> None:
    """What the tests above are worth: a kind that vanished from the store would not be missed by them."""
    kinds = Counter(job["kind"] for job in EXPECTED["jobs"])
    assert kinds.keys() == {
        *("rank", "effects", "pool", "preview", "import", "register_model", "setup"),
        *("tune", "study", "peers", "spread", "forward", "catalogue", "optimize"),
    }
    for kind in kinds:
        states = {job["state"] for job in EXPECTED["jobs"] if job["kind"] == kind}
        assert states >= {jobs.COMPLETED, jobs.QUEUED, jobs.STOPPED}, kind
    assert {job["state"] for job in EXPECTED["jobs"]} >= {jobs.ERROR, jobs.RUNNING}


def test_every_payload_is_still_accepted(opened: Opened) -> None:
    for job in jobs.listing(opened[0], limit=1000):
        expected = next(each for each in EXPECTED["jobs"] if each["id"] == job.id)
        asked = job.payload if job.kind in ASKED_BY else job.payload.get("request")
        assert (asked is None) == (expected["request"] is None), job.id
        if asked is not None:
            told = ASKED_BY.get(job.kind, RunRequest).from_json(asked).to_json()
            # Trainings of a study end by themselves now, where no limit is asked for; it was 5 minutes.
            changed = {"minutes": None} if job.kind == "study" and "minutes" not in asked else {}
            assert told == expected["request"] | changed, (job.id, job.kind)
            # A page leaves out what nobody changed; what it does say stays as it was said.
            assert {name: told[name] for name in asked} == asked, (job.id, job.kind)


def test_a_job_that_waits_is_not_filed_twice(own: Opened) -> None:
    """The digest of a payload is what it was, so an equal one is still known for the same."""
    waiting = [job for job in EXPECTED["jobs"] if job["state"] == jobs.QUEUED]
    assert len(waiting) == 15
    for job in waiting:
        assert jobs.submit(own[0], job["kind"], job["payload"], job["priority"]).id == job["id"]


def test_a_stopped_tuning_asked_again_goes_on_from_what_it_had(own: Opened) -> None:
    stopped = [
        job
        for job in EXPECTED["jobs"]
        if (job["kind"], job["state"]) == ("tune", jobs.STOPPED) and job["has_partial"]
    ]
    assert len(stopped) == 1
    before = jobs.get(own[0], stopped[0]["id"])
    again = jobs.submit(own[0], "tune", before.payload, jobs.BACKGROUND)
    assert (again.id, again.state) == (before.id, jobs.QUEUED)
    assert again.partial == before.partial
