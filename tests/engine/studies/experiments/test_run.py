"""Experiments on a tiny random model: every cell equals the run a person would ask for, and none is computed
twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import datasets, runs, sets
from db.canonical import canonical_json
from db.choices import STRATEGIES
from db.errors import BadInput
from db.models import ModelInfo
from db.outside import Lists
from db.requests import ExperimentRequest
from db.requests.experiment import WITHOUT_CHANCE, by_chance
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.data.candidates import candidate_list
from engine.demos import copies
from engine.llm.scoring import ranking
from engine.progress import quiet
from engine.studies.experiments import run as experiments
from engine.studies.experiments.cells import Cell
from engine.studies.experiments.grid import laid_out
from engine.tasks.compared_baselines import compared
from engine.tasks.frozen_lists import export
from engine.tasks.inputs import gather
from engine.tasks.outside_systems import take
from engine.tasks.rank import rank
from tests.toys import toy_columns

GRID = ExperimentRequest(
    "toy",
    users=5,
    model=("tiny",),
    demos=("none", "neighbours:2", "random:2"),
    draws=2,
    candidates=6,
    baselines=("popularity",),
    copies=("copy",),
)


class Stop(Exception):
    """Ends an experiment in its midst."""


def bytes_of(result: dict[str, Any]) -> str:
    """What is the same each time: all but what time it took."""
    return canonical_json({name: part for name, part in result.items() if name not in ("timings", "seconds")})


def test_every_cell_is_the_run_a_person_would_ask_for(engine: Engine) -> None:
    experiments.run(engine, GRID, quiet)
    grid = laid_out(engine, GRID)
    cells = experiments.stored(engine, grid)
    assert [row.draws for row in cells.rows] == [1, 2, 2, 2, 2, 1]
    assert len(cells.users) == GRID.users
    for column in grid.groups["tiny"][:3]:
        for user, draws in zip(cells.users, cells.at[column.row.key], strict=True):
            for draw, cell in enumerate(draws):
                run = rank(engine, GRID.run(user, column.values, draw))
                assert run.cached
                assert run.key == cell.run
                assert run.result["metrics"]["rank"] == cell.standing.rank
                assert cell.margin == run.result["margin"]
                assert cell.top == tuple(item["item"] for item in run.result["items"])[:10]


def test_packed_rankings_are_those_of_one_at_a_time(engine: Engine, store: Store) -> None:
    experiments.run(engine, GRID, quiet)
    grid = laid_out(engine, GRID)
    cells = experiments.stored(engine, grid)
    for column in grid.groups["tiny"][:3]:
        for user, draws in zip(cells.users, cells.at[column.row.key], strict=True):
            run = runs.get(store, str(draws[0].run))
            context = grid.context(engine, column, user)
            alone = ranking.rank_candidates(context.loaded, gather(context).task())
            target = next(item["score"] for item in run.result["items"] if item["is_target"])
            assert target == pytest.approx(alone.scores[gather(context).target_index], abs=1e-4)


def test_draws_choose_other_demonstrations_for_the_same_list(engine: Engine, store: Store) -> None:
    experiments.run(engine, GRID, quiet)
    cells = experiments.stored(engine, laid_out(engine, GRID))
    pairs = [tuple(runs.get(store, str(cell.run)).result for cell in draws) for draws in cells.at["random:2"]]
    assert all(first["candidates"] == second["candidates"] for first, second in pairs)
    assert any(first["demonstrations"] != second["demonstrations"] for first, second in pairs)


@pytest.mark.parametrize("spec", ["none", "proximal:3"])
def test_what_is_drawn_once_is_the_same_in_every_draw(engine: Engine, spec: str) -> None:
    setting = {**next(GRID.settings()), "demos": spec}
    assert not by_chance(setting)
    for user in ("u1", "u5", "u8"):
        shown = [
            [
                entry.demonstration.id
                for entry in gather(resolve(engine, GRID.run(user, setting, draw))).chosen
            ]
            for draw in range(6)
        ]
        assert shown[1:] == shown[:-1]


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name not in WITHOUT_CHANCE])
def test_all_other_strategies_are_drawn(strategy: str) -> None:
    assert by_chance({**next(GRID.settings()), "demos": f"{strategy}:2"})


def test_equally_near_neighbours_stand_in_another_order_in_another_draw(engine: Engine) -> None:
    setting = {**next(GRID.settings()), "demos": "neighbours:3"}
    shown = {
        tuple(e.demonstration.id for e in gather(resolve(engine, GRID.run(f"u{user}", setting, draw))).chosen)
        for user in range(1, 6)
        for draw in range(8)
    }
    assert len(shown) > 5


def test_effects_that_cannot_be_are_refused_before_anything_is_computed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="effects: they explain one prompt"):
        replace(GRID, effects=True, perturb=("none", "order"))
    monkeypatch.setattr(ModelInfo, "endpoint", property(lambda _: object()))
    with pytest.raises(BadInput, match="behind an endpoint"):
        laid_out(engine, replace(GRID, effects=True))


def test_other_users_are_the_next_of_the_same_draw(engine: Engine) -> None:
    few = replace(GRID, demos=("none", "neighbours:2"), draws=1, baselines=None, copies=None)
    whole = laid_out(engine, replace(few, users=5)).users
    assert laid_out(engine, replace(few, users=2, skip=3)).users == whole[3:]
    assert (
        "The first 3 users drawn are left out."
        in experiments.run(engine, replace(few, users=2, skip=3), quiet)["notes"]
    )
    assert not any("left out" in note for note in experiments.run(engine, few, quiet)["notes"])
    with pytest.raises(BadInput, match=r"no two users .* after the first 1,000 drawn"):
        laid_out(engine, replace(few, skip=1_000))


def test_copies_and_baselines_rank_the_same_lists(engine: Engine, store: Store) -> None:
    experiments.run(engine, GRID, quiet)
    cells, dataset = experiments.stored(engine, laid_out(engine, GRID)), datasets.get(store, "toy")
    beside = compared(engine, "toy", ["popularity"], users=12, candidates=6)
    [ranks] = [row["ranks"] for row in beside["rows"]]
    for user, draws in zip(cells.users, cells.at["popularity"], strict=True):
        assert draws[0].standing.rank == ranks[user]
    for user, draws in zip(cells.users, cells.at["copy(neighbours:2)"], strict=True):
        run = rank(engine, GRID.run(user, {**next(GRID.settings()), "demos": "neighbours:2"}))
        number = datasets.user(store, dataset.id, user)
        listed = candidate_list(store, dataset, number.user, run.result["target"]["position"], "random", 6, 0)
        ids = [datasets.items(store, dataset.id, [item])[item].item_id for item in listed.items]
        shown = [([], demo["answer"]["item"]) for demo in run.result["demonstrations"]]
        naive = copies.scores("copy", shown, [1.0] * len(shown), ids)
        own = naive[ids.index(run.result["target"]["item"])]
        assert draws[0].above == sum(score > own for score in naive)
        assert draws[0].tied == sum(score == own for score in naive) - 1


def test_a_system_from_elsewhere_ranks_the_same_lists(engine: Engine, store: Store, tmp_path: Path) -> None:
    dataset, lists = datasets.get(store, "toy"), Lists("random", 6, 0, "test")
    export(store, dataset, lists, GRID.users, tmp_path / "lists.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text(encoding="utf-8").splitlines()]
    scored = [
        {"user": row["user"], "scores": dict.fromkeys((item["item"] for item in row["candidates"]), 0.5)}
        for row in rows
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, scored)), encoding="utf-8")
    take(store, dataset, lists, "mine", tmp_path / "mine.jsonl")
    request = replace(GRID, systems=("mine",))
    experiments.run(engine, request, quiet)
    cells = experiments.stored(engine, laid_out(engine, request))
    assert {(draws[0].above, draws[0].tied) for draws in cells.at["mine"]} == {(0, 5)}
    with pytest.raises(BadInput, match="no scores for 1 of the 6 users"):
        laid_out(engine, replace(request, users=6))


def test_nothing_is_computed_twice(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = ranking.rank_all

    def counted(loaded: Any, tasks: Any, cache: Any = None) -> Any:
        asked.append(len(tasks))
        return plain(loaded, tasks, cache)

    monkeypatch.setattr(ranking, "rank_all", counted)
    first = experiments.run(engine, GRID, quiet)
    assert sum(asked) <= 5 * 5
    asked.clear()
    assert bytes_of(experiments.run(engine, GRID, quiet)) == bytes_of(first)
    assert not asked
    more = replace(GRID, users=6, demos=(*GRID.demos, "bm25:2"))
    experiments.run(engine, more, quiet)
    assert sum(asked) <= 5 * 2 + 1 * 7  # the new row for the five, all rows for the sixth


@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_stopped_experiment_resumes_to_the_same_bytes(
    engine: Engine, after: int, settings: Settings, tmp_path: Path
) -> None:
    reports = 0

    def stopping(*_: Any) -> None:
        nonlocal reports
        reports += 1
        if reports > after:
            raise Stop

    for _ in range(30):
        reports = 0
        try:
            resumed = experiments.run(engine, GRID, stopping)
            break
        except Stop:
            continue
    else:
        resumed = experiments.run(engine, GRID, quiet)
    home = settings.model_copy(update={"home": tmp_path, "database_url": f"sqlite:///{tmp_path}/other.db"})
    with Store.open(home) as other:
        columns = toy_columns(users=12, items=30, length=8)
        datasets.insert(other, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
        anew = Engine(other, home)
        anew.register("tiny", engine.registered("tiny").source)
        assert bytes_of(experiments.run(anew, GRID, quiet)) == bytes_of(resumed)


def test_effects_are_measured_where_they_are_asked_for(engine: Engine) -> None:
    request = replace(
        GRID, effects=True, baselines=None, copies=None, demos=("none", "neighbours:2"), draws=1
    )
    experiments.run(engine, request, quiet)
    cells = experiments.stored(engine, laid_out(engine, request))
    assert all(draws[0].effects is None for draws in cells.at["none"])
    for [cell] in cells.at["neighbours:2"]:
        assert cell.effects
        assert len(cell.effects) == cell.shown
    assert all(
        setting not in experiments.answered(engine, laid_out(engine, request))["settings"].values()
        for setting in (column.setting for column in laid_out(engine, GRID).columns[:2])
    )


def test_a_set_that_changes_meanwhile_changes_nothing(engine: Engine, store: Store) -> None:
    dataset = datasets.get(store, "toy")
    source = rank(engine, GRID.run("u1", {**next(GRID.settings()), "demos": "neighbours:2"}))
    members = sets.members(source.result["demonstrations"])
    sets.save(store, dataset, "mine", members, None, "")
    grid = laid_out(engine, replace(GRID, demos=("none", "set:mine")))
    sets.save(store, dataset, "mine", members[:1], None, "")
    column = next(column for column in grid.columns if column.row.key == "set:mine")
    assert len(rank(engine, grid.context(engine, column, "u2").request).result["demonstrations"]) == 2


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reference": "nothing"}, "is no row of it"),
        ({"scoring": ("auto", "calibrated")}, "are the same"),
        ({"demos": ("none", "magic:2")}, "unknown strategy"),
        ({"dataset": "elsewhere"}, "elsewhere"),
        ({"model": ("tiny", "missing")}, "missing"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_computed(
    engine: Engine, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Exception, match=complaint) as caught:
        experiments.run(engine, replace(GRID, **changes), quiet)
    assert isinstance(caught.value, BadInput) or "missing" in complaint or "elsewhere" in complaint
    assert not runs.listing(engine.store)


def test_the_estimate_counts_what_is_left(engine: Engine) -> None:
    before = experiments.estimated(engine, GRID, units=0)
    assert (before["cells"], before["stored"], before["seconds"]) == (5 * 10, 0, None)
    timed = experiments.estimated(engine, GRID, units=1)
    assert timed["seconds"] > 0
    assert timed["stored"] == 2 * 10
    experiments.run(engine, GRID, quiet)
    after = experiments.estimated(engine, GRID)
    assert (after["stored"], after["seconds"], after["tokens"]) == (50, 0, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"model": ("tiny", "other")},
        {"history": (3, 4), "perturb": ("none", "ridge:0.2"), "copies": ("copy", "copy-histories")},
        {"demos": ("placebo:2", "none"), "scoring": ("mean", "sum"), "copies": None},
    ],
)
def test_a_request_knows_the_rows_that_are_laid_out(engine: Engine, changed: dict[str, Any]) -> None:
    engine.register("other", str(engine.registered("tiny").source))
    request = replace(GRID, **changed)
    rows = {column.row.key: column.row.draws for column in laid_out(engine, request).columns}
    assert request.rows() == rows
    assert list(request.rows()) == list(rows)


def test_the_rate_counts_what_this_attempt_computed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(experiments, "worked", lambda: clock[0])
    grid = laid_out(engine, GRID)
    places = [place for user in grid.users for column in grid.columns for place in column.places(user)]
    one = Cell(above=0, tied=0, scores=(1.0, 0.0), top=("a",))
    first = experiments.Progress(engine, grid, quiet, 0.0)
    assert first.rate is None
    first.add(dict.fromkeys(places[:6], one))
    clock[0] = 2.0
    assert first.rate == 3.0
    again = experiments.Progress(engine, grid, quiet, 0.0)
    assert again.rate is None, "what another attempt stored is not counted"
