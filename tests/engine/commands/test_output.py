"""Tables as Markdown: literal text in every cell, nothing broken over lines."""

import subprocess
import sys

import pytest

from engine.commands import output

LONG = "a title " * 60


def test_cells_are_literal_text() -> None:
    text = output.markdown([["a|b", 0.25, None], ["*bold* [x](y)", 1000, True]], ["name", "value", "more"])
    assert text == (
        "| name | value | more |\n| --- | --- | --- |\n"
        "| a\\|b | 0.25 | - |\n| \\*bold\\* \\[x](y) | 1,000 | yes |\n"
    )


@pytest.mark.parametrize("wanted", ["markdown", ""])
def test_the_environment_chooses_the_form(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("DUALENS_TABLES", wanted)
    code = f"from engine.commands import output; output.table([['{LONG}']], 'title'); output.line('end')"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (f"| {LONG} |" in printed) == (wanted == "markdown")
    assert printed.strip().endswith("end")


def test_progress_is_a_line_every_five_seconds_where_there_is_no_terminal(capsys) -> None:
    clock = iter(range(200))
    with output.progress(lambda: next(clock) / 4) as say:
        for number in range(60):
            say(None, f"{number} lines")
            say(None, f"{number} lines")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "0 lines"
    assert 3 <= len(said) <= 12
    assert "\r" not in "".join(said)
