"""What others may read of a workspace."""

import os
from pathlib import Path

import pytest

from dashboard.screens.library.storage_shelf import privacy
from db.names import quoted
from db.settings import Settings


def laid(settings: Settings, mode: int) -> Path:
    settings.prepare()
    (settings.home / "engine-cpu.lock").write_text("1")
    (settings.home / "models" / "m").mkdir()
    (settings.home / "models" / "m" / "config.json").write_text("{}")
    (settings.home / "link").symlink_to("/etc/hostname")
    for folder, _, files in os.walk(settings.home):
        for name in files:
            if name != "link":
                (Path(folder) / name).chmod(0o644)
    (settings.home / "models" / "m").chmod(0o755)
    settings.home.chmod(mode)
    return settings.home


def test_files_of_a_private_workspace_become_private(settings: Settings) -> None:
    home = laid(settings, 0o700)
    settings.tighten()
    assert {path.stat().st_mode & 0o777 for path in home.rglob("*.json")} == {0o600}
    assert (home / "engine-cpu.lock").stat().st_mode & 0o777 == 0o600
    assert (home / "models" / "m").stat().st_mode & 0o777 == 0o700
    assert privacy(settings) == f"Workspace {home}, readable by its owner only."


def test_the_page_says_who_reads_a_wider_one(settings: Settings) -> None:
    home = laid(settings, 0o755)
    settings.tighten()
    said = privacy(settings)
    assert (home / "engine-cpu.lock").stat().st_mode & 0o777 == 0o644  # its owner's choice
    assert "owner only" not in said
    assert "drwxr-xr-x" in said
    assert "read 2 of its 2 files" in said
    for path in home.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert "can read none of them" in privacy(settings)


@pytest.mark.parametrize("value", ["x" * 5000, "x" * 41, ("y" * 30, "z" * 30)])
def test_messages_repeat_no_more_than_forty_letters(value: object) -> None:
    assert len(quoted(value)) <= 42
    assert quoted("x" * 40) == repr("x" * 40)
