"""A new import format is one file and one row of `db.choices`; then it is recognised, listed and imported."""

from pathlib import Path

import pytest

from db import datasets
from db.choices import FORMATS, TABLES, Choice
from db.errors import DataError
from db.store import Store
from docs.scripts import generate
from engine.commands import workspace
from engine.data import importers
from engine.data.importing import import_path, preview
from tests.support.adding import add_file, fresh
from tests.support.command_line import text_of

TOY = '''"""Toy files: a first line that says "toy", then a user and an item in every line."""

from engine.data.plan import Mismatch, Plan, read_interactions
from engine.data.tables.text_table import TextTable
from engine.data.text import text_head


def find(folder, mapping):
    """The plan for the first toy file of the folder; raises Mismatch."""
    for member in folder.candidates():
        if text_head(member)[0] == "toy":
            table = TextTable(member, " ", ("user", "item"), skip=1)
            columns = {"user": "user", "item": "item"}
            return Plan(
                interactions=(member,),
                items=None,
                mapping=columns,
                columns=table.columns,
                sample=table.sample,
                reader=lambda builder, tick: read_interactions(table, columns, builder, tick),
                item_reader=None,
            )
    raise Mismatch("no file starts with the line 'toy'")


FORMATS = {"toy": find}
'''
ROWS = "\n".join(f"user{user} item{(user + position) % 6}" for user in range(5) for position in range(4))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy file to import, once the one file and the one row are there."""
    add_file(monkeypatch, tmp_path / "importers", importers, TOY)
    generic = FORMATS.pop("generic")  # takes any table, so it stays the last
    monkeypatch.setitem(FORMATS, "toy", Choice("toy", "Toy files", "a file whose first line is toy"))
    FORMATS["generic"] = generic
    path = tmp_path / "purchases.toy"
    path.write_text(f"toy\n{ROWS}\n")
    return path


def test_a_toy_file_is_recognised_and_imported(toy: Path, store: Store) -> None:
    looked = preview(toy)
    assert (looked.format, looked.label, looked.columns) == ("toy", "Toy files", ["user", "item"])
    info, report = import_path(store, toy, "toys")
    assert (info.kind, info.users, info.interactions) == ("toy", 5, 20)
    assert report.label == "Toy files"
    assert datasets.get(store, "toys").items == 6


def test_the_other_formats_are_still_recognised(toy: Path) -> None:
    table = toy.with_name("ratings.csv")
    table.write_text("user,item\n" + ROWS.replace(" ", ","))
    assert preview(table).format == "generic"


def test_another_file_asked_for_as_toy_is_refused_with_what_is_expected(toy: Path) -> None:
    toy.write_text("not a toy\n1 2\n")
    with pytest.raises(DataError, match=r"is not Toy files .*Expected: a file whose first line is toy"):
        preview(toy, format="toy")


@pytest.mark.usefixtures("toy")
def test_the_command_line_and_the_documentation_list_it() -> None:
    shown = text_of(fresh(workspace).app, "import", "--help")
    assert "movielens-1m" in shown
    assert "toy" in shown
    assert FORMATS is TABLES["Import formats"]
    assert "| `toy` | Toy files | A file whose first line is toy |" in generate.choices()
