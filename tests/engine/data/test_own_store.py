"""The database of the workspace is never opened as data: closing it would drop SQLite's locks (POSIX)."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from db import jobs
from db.errors import BadInput
from db.store import Store
from engine.context import Engine
from engine.data.importing import import_path, preview
from engine.llm.embedding.sentence_encoder import encoder_revision
from engine.llm.loading.load import inspect
from engine.tasks.preference_pairs import export

ROWS = "user,item\n" + "".join(f"u{n // 5},i{n % 5}\n" for n in range(25))


@pytest.fixture
def database(store: Store) -> Path:
    """The store's file, with a connection to it that stays open as in every engine."""
    jobs.submit(store, "rank", {"n": 1})
    return store.settings.home / "dualens.db"


def locks_hold(database: Path) -> bool:
    """Whether another process, when it leaves, sees that this one has the database open."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM jobs'); c.close()"
    subprocess.run([sys.executable, "-c", code, str(database)], check=True)
    return database.with_name(f"{database.name}-wal").exists()


def linked(database: Path, folder: Path) -> Path:
    (folder / "rows.csv").symlink_to(database)
    return folder / "rows.csv"


def hard_linked(database: Path, folder: Path) -> Path:
    os.link(database, folder / "rows.csv")
    return folder / "rows.csv"


@pytest.mark.parametrize(
    "spelled",
    [
        lambda database, _: database,
        lambda database, _: database.with_name("dualens.db-wal"),
        lambda database, _: database.with_name("dualens.db-shm"),
        linked,
        hard_linked,
    ],
    ids=["itself", "wal", "shm", "link", "hard link"],
)
@pytest.mark.parametrize("act", [preview, encoder_revision], ids=["import", "encoder"])
def test_the_store_is_refused_by_any_name(
    spelled: Callable[[Path, Path], Path], act: Callable[[str], object], database: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"is the database of this workspace\. It was not opened"):
        act(str(spelled(database, tmp_path)))
    assert locks_hold(database)


def test_a_file_beside_the_store_is_read_without_it(store: Store, database: Path) -> None:
    rows = database.with_name("rows.csv")
    rows.write_text(ROWS)
    info, _ = import_path(store, rows, "rows")
    assert info.interactions == 25
    assert import_path(store, database.parent, "folder")[0].interactions == 25
    assert locks_hold(database)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("read", [inspect, encoder_revision], ids=["model", "encoder"])
def test_a_model_folder_may_not_lead_there(
    name: str, read: Callable[[str], object], database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in ("config.json", "tokenizer.json", "model.safetensors", "modules.json"):
        (folder / file).write_text("{}")
    (folder / name).unlink()
    (folder / name).symlink_to(database)
    with pytest.raises(BadInput, match=rf"{name} is the database of this workspace"):
        read(str(folder))
    assert locks_hold(database)


def test_nothing_is_written_over_it(store: Store, database: Path) -> None:
    with pytest.raises(BadInput, match="is the database of this workspace"):
        export(Engine(store, store.settings), "any", database)
    assert locks_hold(database)
