"""The grid of an experiment, and its YAML files."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import BadInput
from db.requests import ExperimentRequest, RunRequest
from db.requests import experiment_file as files
from db.requests.fields import LONGEST_SEED
from db.requests.run import LONGEST_DRAW

GRID = ExperimentRequest(
    "simulated",
    users=20,
    model=("a", "b"),
    demos=("none", "random:2", "set:good ones"),
    history=(5, 10),
    hint=("none", "itemknn"),
    draws=3,
    baselines=("popularity",),
    reference="a,none,history=5,hint=none",
)


def test_the_grid_holds_every_combination_once() -> None:
    settings = list(GRID.settings())
    assert len(settings) == 2 * 3 * 2 * 2
    assert len({tuple(setting.items()) for setting in settings}) == len(settings)
    assert GRID.varied == ("model", "demos", "history", "hint")


def test_a_cell_is_a_run_like_any_other() -> None:
    setting = next(iter(GRID.settings()))
    assert GRID.run("u1", setting) == RunRequest("simulated", "u1", "a", demos="none", history=5)
    assert GRID.run("u1", {**setting, "hint": "itemknn"}, 2).hint == "itemknn"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"demos": ()}, "demos"),
        ({"demos": ("none", "none")}, "none is named twice"),
        ({"demos": ("nonsense",)}, "demos"),
        ({"history": (0,)}, "history"),
        ({"scoring": ("sum", "guess")}, "scoring"),
        ({"baselines": ("magic",)}, "baselines"),
        ({"perturb": ("shake",)}, "perturb"),
        ({"users": 1}, "users"),
        ({"history": tuple(range(1, 202))}, "402 settings"),
        ({"users": 10_000_000, "draws": 100}, "more than"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        ExperimentRequest("simulated", **fields)


def test_draws_change_the_choices_and_not_the_candidate_list() -> None:
    plain = RunRequest("simulated", "u1", seed=7)
    seeds = [replace(plain, draw=draw).choice_seed for draw in range(LONGEST_DRAW + 1)]
    assert seeds[0] == plain.seed == 7
    assert len(set(seeds)) == len(seeds)
    assert replace(plain, draw=3).seed == 7
    assert 0 <= replace(plain, seed=LONGEST_SEED, draw=LONGEST_DRAW).choice_seed <= LONGEST_SEED
    assert "draw" not in plain.to_json()  # so that the digests of older requests stay what they were


def test_a_file_gives_the_equal_experiment_back() -> None:
    assert files.read(files.written(GRID, "a comment\nin two lines")) == GRID
    assert "scoring" not in files.written(GRID)  # only what is not as by default


@given(
    users=st.integers(2, 10**6),
    demos=st.lists(st.sampled_from(["none", "random:4", "bm25:300t", "set:a b"]), min_size=1, unique=True),
    history=st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, LONGEST_SEED),
    effects=st.booleans(),
    dataset=st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable()),
)
def test_any_experiment_goes_through_a_file(
    users: int, demos: list[str], history: list[int], seed: int, effects: bool, dataset: str
) -> None:
    request = ExperimentRequest(
        dataset, users=users, demos=tuple(demos), history=tuple(history), seed=seed, effects=effects
    )
    assert files.read(files.written(request)) == request


def test_people_write_one_value_where_one_is_enough() -> None:
    request = files.read("dataset: 2024\ndemos: neighbours:2\nhistory: 5\nhint: ~\n")
    assert request == ExperimentRequest("2024", demos=("neighbours:2",), history=(5,))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "fields of an experiment"),
        ("[1, 2]", "fields of an experiment"),
        ("dataset: [simulated", "not YAML.*line 1"),
        ("a: &x [1]\nb: *x", "references"),
        ("dataset: a\ndataset: b", "twice"),
        ("dataset: a\nstrategy: none", "strategy: not a field"),
        ("users: 10", "dataset: missing"),
        ("dataset: a\nhistory: many", "history: expected a list of whole numbers"),
        ("dataset: a\nusers: 1.5", "users"),
        ("? {a: 1}\n: b", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_a_broken_file_is_refused_with_what_to_correct(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=f"(?s)mine.yaml: .*{complaint}"):
        files.read_file(tmp_path / "mine.yaml")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        files.read_file(tmp_path)
    with pytest.raises(BadInput, match="cannot be read"):
        files.read_file(tmp_path / "missing.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        files.read_file(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * (files.LONGEST + 1))
    with pytest.raises(BadInput, match="more than"):
        files.read_file(tmp_path / "large")
