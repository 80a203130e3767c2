"""Ids that a spreadsheet has shortened are many things under one name, so a person decides."""

from pathlib import Path

import pytest

from engine import __main__ as cli
from engine.data.importing import Unsure, preview, read_path
from engine.data.report import ImportOptions
from engine.data.values import is_shortened

CUT = ("4.00638E+12", "4.00639E+12")


def exported(folder: Path, separator: str = ",", point: str = ".") -> Path:
    """Six users with four products each; two of the barcodes went through a spreadsheet."""
    lines = [separator.join(("customer", "product", "date"))]
    for user in range(6):
        for n, product in enumerate(("P-100", "P-200", *(cut.replace(".", point) for cut in CUT))):
            lines.append(separator.join((f"c{user}", product, f"2024-01-{1 + user + n:02d}")))
    path = folder / "sales.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("separator", "point"), [(",", "."), (";", ",")])
def test_they_are_asked_about(separator: str, point: str, tmp_path: Path) -> None:
    path = exported(tmp_path, separator, point)
    with pytest.raises(Unsure, match="2 item ids were shortened by a spreadsheet") as asked:
        read_path(path)
    assert "shortened_ids='drop' [leaves out 12 of 24 rows]" in str(asked.value)
    assert "shortened_ids='keep' [takes all who share an id for one item]" in str(asked.value)


@pytest.mark.parametrize(
    ("options", "yes", "kept"),
    [
        (ImportOptions(shortened_ids="keep"), False, 24),
        (ImportOptions(shortened_ids="drop", min_history=1), False, 12),
        (ImportOptions(), True, 24),
    ],
)
def test_what_is_said_is_done(options: ImportOptions, yes: bool, kept: int, tmp_path: Path) -> None:
    columns, report = read_path(exported(tmp_path), options=options, yes=yes)
    assert any("yes: shortened_ids = keep" in note for note in report.notes) == yes
    assert len(columns.user) == report.rows_kept == kept
    dropped = {reason: entry["count"] for reason, entry in report.dropped.items()}
    assert dropped == ({} if kept == 24 else {"id shortened by a spreadsheet": 12})


def test_an_answer_is_not_written_where_nobody_gave_it() -> None:
    """Fingerprints of data sets without one stay what they were."""
    assert "shortened_ids" not in ImportOptions().to_json()


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("1.23457E+11", True),
        ("1,23457E+11", True),
        ("1E+12", True),
        ("1.23457e+11", True),
        ("1.23456789012E+11", False),
        ("1E10", False),
        ("7e21", False),
        ("B00E10", False),
    ],
)
def test_only_what_lost_digits_counts(text: str, cut: bool) -> None:
    assert is_shortened(text) == cut


def test_the_preview_shows_the_file_all_the_same(tmp_path: Path) -> None:
    assert preview(exported(tmp_path)).mapping["item"] == "product"


def test_the_command_line_names_the_options_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    words = ["import", str(exported(tmp_path)), "--name", "sales"]
    assert cli.main(lambda: cli.app(words, standalone_mode=False)) == 2
    told = capsys.readouterr().err
    assert "--shortened-ids keep [takes all who share an id for one item]" in told
    assert "The best guess, the first of each, is taken with --yes" in told
    assert not cli.main(lambda: cli.app([*words, "--shortened-ids", "keep"], standalone_mode=False))
