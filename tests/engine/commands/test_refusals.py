"""What a command refuses or does not find is one sentence that says so, through the command's own door."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import datasets
from db.settings import Settings
from db.store import Store
from engine import __main__ as cli
from engine.context import EMBEDDED, Engine
from tests.support.command_line import WIDE, workspace
from tests.toys import toy_columns

RANK = ("rank", "-d", "toy", "-u", "u8")
ROWS = "user_id,item_id,rating,timestamp\n"

Said = tuple[int, str, str]


@pytest.fixture
def say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command beside a toy shop; its status, what it printed, and what it said aside in one line."""
    workspace(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("COLUMNS", WIDE["COLUMNS"])

    def run(*words: str) -> Said:
        try:
            status = cli.main(lambda: cli.app(list(words)))
        except SystemExit as end:  # as typer ends a command
            status = int(end.code or 0)
        told = capsys.readouterr()
        return status, told.out, " ".join(told.err.replace("│", " ").split())

    return run


@pytest.fixture
def embedded(say: Callable[..., Said]) -> None:
    """The model that ships with the project, registered in the workspace of `say`."""
    with Store.open() as store:
        Engine(store, Settings()).register("embedded", str(EMBEDDED))


@pytest.mark.parametrize("command", [("runs",), ("users", "-d", "toy")])
def test_fewer_than_one_row_is_refused_in_every_listing(
    say: Callable[..., Said], command: tuple[str, ...]
) -> None:
    status, _, told = say(*command, "--limit", "-1")
    assert status == 2
    assert "'--limit': Input should be greater than or equal to 1" in told


def test_a_bound_is_refused_as_help_names_it(say: Callable[..., Said]) -> None:
    command = ("study", "strategies")
    _, help_text, _ = say(*command, "--help")
    most = help_text.split("--k ")[1].split("x<=")[1].split("]")[0]
    status, _, told = say(*command, "-d", "toy", "--k", "99")
    assert status == 2
    assert f"'--k': Input should be less than or equal to {most}" in told


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*RANK, "--demos", "neighbours:0t"), "demos is 'neighbours:0t': write neighbours:K"),
        ((*RANK, "--demos", "neighbours:99"), "K a number from 0 to 64"),
        (("import", ""), "An argument is empty. Write a value, or leave it out."),
        (("study", "strategies", "-d", "toy", "--only", ""), "--only is empty. Write a value"),
    ],
)
def test_what_means_nothing_is_refused(say: Callable[..., Said], words: tuple[str, ...], told: str) -> None:
    status, printed, said = say(*words)
    assert (status, printed) == (2, "")
    assert said.startswith("Error: ")
    assert told in said


@pytest.mark.usefixtures("embedded")
def test_an_encoder_folder_that_is_no_model_is_refused(say: Callable[..., Said], tmp_path: Path) -> None:
    words = (*RANK, "--demos", "embedding:2", "--embedding", str(tmp_path))
    status, _, told = say(*words)
    assert status == 2
    assert f"{tmp_path} is no folder of a sentence-transformers model" in told


@pytest.mark.usefixtures("embedded")
def test_a_user_who_owns_everything_has_no_list_and_no_smaller_one_is_asked_for(
    say: Callable[..., Said],
) -> None:
    with Store.open() as store:
        columns = toy_columns(users=3, items=8, length=8)
        datasets.insert(store, "all", columns, kind="generic", source="t", fingerprint="all", report={})
    status, _, told = say("rank", "-d", "all", "-u", "u1", "-c", "2")
    assert status == 2
    assert "No list can be made: take another user." in told
    assert "at most 1" not in told


@pytest.mark.usefixtures("embedded")
def test_a_search_that_finds_nothing_is_not_an_empty_store(say: Callable[..., Said]) -> None:
    assert "No runs yet." in say("runs")[1]
    assert say(*RANK, "-c", "2")[0] == 0
    for command in (("users", "-d", "toy"), ("runs",)):
        status, printed, _ = say(*command, "--search", "nobody")
        assert status == 0
        assert f"No {command[0]} match these options." in printed
        assert "setup" not in printed


def test_a_data_set_in_the_bin_is_named_as_such(say: Callable[..., Said]) -> None:
    with Store.open() as store:
        datasets.delete(store, "toy")
    for command in (RANK, ("users", "-d", "toy")):
        status, _, told = say(*command)
        assert status == 2
        assert "'toy' was deleted. It is in the bin: restore it" in told


def purchases(folder: Path, rows: list[tuple[Any, ...]]) -> str:
    """A file of purchases; its path."""
    path = folder / "shop.csv"
    path.write_text(ROWS + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(("lost", "asks"), [(2, False), (4, True)])
def test_more_than_one_row_in_twenty_lost_for_one_reason_is_a_question(
    say: Callable[..., Said], tmp_path: Path, lost: int, asks: bool
) -> None:
    """57 rows of long histories; users with one row are too short to keep."""
    rows: list[tuple[Any, ...]] = [
        (f"u{u}", f"i{n}", 1 + n % 5, 1_600_000_000 + 100 * n) for u in range(3) for n in range(19)
    ]
    rows += [(f"short{n}", "i1", 3, 1_600_000_000) for n in range(lost)]
    path = purchases(tmp_path, rows)
    status, _, told = say("import", path, "--name", "shop")
    with Store.open() as store:
        there = any(info.name == "shop" for info in datasets.listing(store))
    assert (status == 2, there) == (asks, not asks), told
    if asks:
        assert "rows would be left out" in told
        assert "--accept-drops" in told
        assert say("import", path, "--name", "shop", "--accept-drops")[0] == 0


@pytest.mark.parametrize(("repeats", "kept"), [("first", [1.0, 5.0]), ("last", [4.0, 5.0])])
def test_of_repeats_the_one_that_was_asked_for_is_kept(
    say: Callable[..., Said], tmp_path: Path, repeats: str, kept: list[float]
) -> None:
    """One user rated an item twice, with 1 and later with 4."""
    rows: list[tuple[Any, ...]] = [
        (f"u{u}", f"i{n}", 5, 1_600_000_000 + 100 * n) for u in range(4) for n in range(12)
    ]
    rows += [
        ("u0", "twice", 1, 1_600_002_000),
        ("u0", "twice", 4, 1_600_003_000),
        ("u1", "twice", 5, 1_600_002_000),
    ]
    words = ("import", purchases(tmp_path, rows), "--name", "shop", "--repeats", repeats)
    status, _, told = say(*words)
    assert status == 0, told
    with Store.open() as store:
        info = datasets.get(store, "shop")
        rated = [
            row.rating
            for user in ("u0", "u1")
            for row in datasets.history(store, info.id, datasets.user(store, info.id, user).user)
            if row.title == "twice"
        ]
    assert rated == kept
