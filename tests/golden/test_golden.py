"""The numbers of today, through the command line alone: whatever moves in the code, they stay."""

import copy

import pytest

from tests.golden import values
from tests.golden.cases import CASES
from tests.golden.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Made once per process; every case works on a copy."""
    return Workspace(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_recorded(case: str, workspace: Workspace) -> None:
    expected = values.read(case)
    found = workspace.run(CASES[case])
    assert list(found) == list(expected), "the case's lines changed: record it anew"
    told = [text for line in found for text in values.differences(expected[line], found[line], line)]
    assert not told, f"{len(told)} differences, the first:\n" + "\n".join(told[:12])


def test_every_recording_has_its_case() -> None:
    assert {path.stem for path in values.FOLDER.glob("*.json")} == set(CASES)


def test_a_number_that_moves_is_told_with_its_place() -> None:
    expected = values.read("rank-mean-weighted")
    [(line, answer)] = expected.items()
    moved = copy.deepcopy(answer)
    moved["items"]["score"][2] += 1e-4
    moved["metrics"]["rank"] += 1
    moved["demonstrations"]["id"].reverse()
    told = values.differences(answer, moved, line)
    assert any(text.startswith(f"{line}.items.score[2]: ") for text in told)
    assert any(text.startswith(f"{line}.metrics.rank: ") for text in told)
    assert any(text.startswith(f"{line}.demonstrations.id[0]: ") for text in told)
    moved["items"]["score"][2] = answer["items"]["score"][2] + 1e-9
    assert not values.differences(answer["items"], moved["items"])
