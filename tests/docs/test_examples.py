"""The experiments of docs/examples are files that are read, and say how to run them."""

from pathlib import Path

import pytest

from db.requests.experiment_file import read_file

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_an_experiment(path: Path) -> None:
    request = read_file(path)
    assert request.dataset == path.stem.removeprefix("smollm2-").partition("-")[0]
    assert f"dualens experiment run docs/examples/{path.name}" in path.read_text(encoding="utf-8")
    assert request.reference is not None
    assert "none" in request.demos


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
