"""Whatever is changed behind the store's back is found, with what it affects; nothing else is."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import datasets, demonstrations, jobs, runs
from db.integrity import check, check_all
from db.patience import Patience
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from db.texts import put
from tests.db.stores import reading
from tests.toys import toy_columns


@pytest.fixture
def full(store: Store) -> Store:
    """A store with a data set, a run with effects, a demonstration, a text and a job."""
    info = datasets.insert(store, "toy", toy_columns(120), kind="", source="", fingerprint="toy", report={})
    request = RunRequest(dataset="toy", user="u9", model="m", demos="none")
    result = {"metrics": {"rank": 1}, "items": ["ü" * 200] * 60, "demonstrations": []}
    for key in ("a" * 64, "b" * 64):
        runs.save(store, runs.Run(key, request, key, info.id, "u9", "m", result, {"total": 1.0}))
    runs.save_effects(store, "a" * 64, "e" * 64, {}, {"measure": "margin"}, {})
    demo = demonstrations.hand_written(info, ["One", "Two"], "Three")
    demonstrations.save_many(store, [demo])
    with store.write() as connection:
        put(connection, "a long prompt " * 500)
    jobs.submit(store, "rank", {"n": 1})
    return store


def test_a_sound_store_is_clean(full: Store) -> None:
    found = check(full)
    assert found.findings == found.notes == []
    assert found.counts["data sets"] == 1
    assert found.counts["runs"] == 2


def test_a_store_of_an_older_version_is_clean_but_for_what_it_has_no_digest_of(tmp_path: Path) -> None:
    with Store.open(reading.unpack(tmp_path / "home")) as store:
        found = check(store)
        assert found.findings == []
        assert len(found.notes) == found.counts["data sets"] > 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE items SET title = 'x' WHERE item = 3", "'toy' is damaged: its rows are not those"),
        ('UPDATE interactions SET rating = 9 WHERE position = 2 AND "user" = 4', "'toy' is damaged"),
        ('DELETE FROM interactions WHERE "user" = 5 AND position = 0', "'toy'"),
        ('DELETE FROM users WHERE "user" = 119', "119 of 120 users are there"),
        ("UPDATE occurrences SET position = position + 1 WHERE item = 1", "by user and by item do not agree"),
        (f"UPDATE runs SET result = '{{}}' WHERE key = '{'b' * 64}'", f"runs: {'b' * 64} is damaged. Run it"),
        (f"UPDATE runs SET user_id = 'u8' WHERE key = '{'b' * 64}'", f"runs: {'b' * 64} is damaged"),
        ('UPDATE effects SET result = \'{"mode": "x"}\'', f"effects: {'e' * 64} is damaged"),
        ("UPDATE texts SET text = 'other' WHERE text LIKE 'a long%'", "texts: "),
        ("UPDATE jobs SET payload = '{'", "jobs: 1 is damaged"),
        ("UPDATE demonstrations SET history = '['", "demonstrations: "),
    ],
)
def test_a_changed_row_is_found(full: Store, change: str, says: str) -> None:
    with full.write() as connection:
        connection.execute(sa.text(change))
    [finding] = check(full).findings
    assert says in finding


def test_a_note_and_a_star_are_no_damage(full: Store) -> None:
    runs.annotate(full, "a" * 64, note="seen", tags=["x"], starred=True)
    runs.delete(full, "b" * 64)
    datasets.delete(full, "toy")
    assert check(full).findings == []


def test_a_reference_that_leads_nowhere_is_found(full: Store) -> None:
    if full.dialect != "sqlite":
        pytest.skip("PostgreSQL refuses them")
    with closing(sqlite3.connect(full.settings.home / "dualens.db")) as connection, connection:
        connection.execute("DELETE FROM runs WHERE key = ?", ("a" * 64,))
    assert any("rows of effects belong to rows of runs" in finding for finding in check(full).findings)


def test_damage_inside_the_file_is_found_wherever_it_is(full: Store, settings: Settings) -> None:
    """4 KiB of noise over any page that is in use: never unnoticed, never an exception."""
    if full.dialect != "sqlite":
        pytest.skip("about SQLite files")
    full.close()
    path = settings.home / "dualens.db"
    sound = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    assert not free
    noise = random.Random(0)
    pages = len(sound) // 4096
    for page in noise.sample(range(2, pages), 20):  # the first two: the header and the map of pages
        content = bytearray(sound)
        content[page * 4096 : (page + 1) * 4096] = noise.randbytes(4096)
        path.write_bytes(content)
        assert check_all(settings, Patience(0)).findings, page
