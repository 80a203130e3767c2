"""A stored set in place of a strategy: its order and weights, one version, and only what a user may know."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets, demonstrations, runs, sets
from db.demonstrations import Demonstration, demonstration_id
from db.errors import BadInput, NotFound
from db.requests import Chosen, RunRequest, StudyRequest
from db.sets import Member, NamedSet
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.demos.named import of_set
from engine.jobs.handlers import study_job
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring import ranking
from engine.llm.scoring.ranking import Task
from engine.progress import quiet
from engine.tasks.inputs import gather
from engine.tasks.pool import pool
from engine.tasks.rank import rank
from tests.toys import toy_columns


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="set:best", candidates=6)


def ids(engine: Engine, user: str = "u8", count: int = 3) -> list[str]:
    offered = pool(engine, RunRequest("toy", user, "tiny"), ("neighbours",), 8)
    return [one["id"] for one in offered[:count]]


def save(engine: Engine, *members: Member, name: str = "best") -> NamedSet:
    return sets.save(engine.store, datasets.get(engine.store, "toy"), name, members)


def window(engine: Engine, user: int, position: int) -> str:
    """The id of the window of a user's purchases whose answer stands at a position."""
    info = datasets.get(engine.store, "toy")
    (rows,) = datasets.windows(engine.store, info.id, [(user, position - 2, position + 1)])
    *history, answer = (row.item_id for row in rows)
    name = demonstration_id(info.fingerprint, f"u{user}", tuple(history), answer, position)
    one = Demonstration(name, info.id, "neighbours", f"u{user}", tuple(history), answer, position, None)
    demonstrations.save_many(engine.store, [one])
    return name


def test_a_run_takes_the_sets_order_and_weights_and_names_its_version(
    engine: Engine, request_: RunRequest
) -> None:
    first, second, _ = ids(engine)
    kept = save(engine, Member(second, 0.5), Member(first))
    run = rank(engine, request_)
    shown = [(demo["id"], demo["weight"]) for demo in run.result["demonstrations"]]
    assert shown == [(second, 0.5), (first, 1.0)]
    assert run.request.demos == f"set:{kept.reference}"
    assert run.result["set"] == {
        "name": "best",
        "digest": kept.digest,
        "shared": True,
        "size": 2,
        "unknown": [],
    }
    assert [use.run for use in sets.uses(engine.store, kept)] == [run.key]


def test_another_version_is_another_run_and_the_first_one_stays(engine: Engine, request_: RunRequest) -> None:
    first, second, _ = ids(engine)
    old = save(engine, Member(first))
    run = rank(engine, request_)
    save(engine, Member(second))
    assert rank(engine, request_).key != run.key
    again = rank(engine, replace(request_, demos=f"set:{old.reference}"))
    assert (again.key, again.cached) == (run.key, True)


def test_a_run_by_hand_is_no_run_of_the_set_but_used_its_demonstrations(
    engine: Engine, request_: RunRequest
) -> None:
    (first, *_) = ids(engine)
    kept = save(engine, Member(first))
    by_set = rank(engine, request_)
    by_hand = rank(engine, replace(request_, demonstrations=(Chosen(first),)))
    assert by_hand.key != by_set.key
    assert "set" not in by_hand.result
    assert {use.run for use in sets.uses(engine.store, kept)} == {by_set.key, by_hand.key}


def test_what_a_user_may_not_know_is_left_out_for_them_alone(engine: Engine, request_: RunRequest) -> None:
    """The window that ends in the user's own target above all."""
    (known,) = ids(engine, "u6", 1)
    kept = save(engine, Member(known), Member(window(engine, 8, 7), 2.0))
    run = rank(engine, request_)
    assert [demo["id"] for demo in run.result["demonstrations"]] == [known]
    assert run.result["set"]["unknown"] == [kept.members[1].id]
    assert (
        "1 of the 2 demonstrations of the set 'best' was left out: it is not known yet when the next "
        "purchase of 'u8' is predicted."
    ) in run.result["notes"]
    later = rank(engine, replace(request_, user="u11"))
    assert [demo["weight"] for demo in later.result["demonstrations"]] == [1.0, 2.0]
    assert later.result["set"]["unknown"] == []
    assert {use.run for use in sets.uses(engine.store, kept)} == {run.key, later.key}


def test_named_one_by_one_it_is_refused(engine: Engine, request_: RunRequest) -> None:
    own = window(engine, 8, 7)
    with pytest.raises(BadInput, match="is not known yet when the next purchase of 'u8' is predicted"):
        rank(engine, replace(request_, demonstrations=(Chosen(own),)))


def test_a_set_of_which_nothing_is_known_is_no_demonstrations(engine: Engine, request_: RunRequest) -> None:
    save(engine, Member(window(engine, 8, 7)))
    run = rank(engine, request_)
    assert run.result["demonstrations"] == []
    assert run.result["items"] == run.result["zero_shot"]


def test_a_set_that_is_not_there_is_said(engine: Engine, request_: RunRequest) -> None:
    with pytest.raises(NotFound, match=r"no set 'best'\. There is none yet"):
        rank(engine, request_)
    save(engine, Member(ids(engine)[0]), name="other")
    with pytest.raises(NotFound, match=r"no set 'best'\. There are: other\."):
        rank(engine, request_)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": (1.0,)}, "weights: a stored set has its own"),
        ({"prompts": 2}, "prompts: set:best fills one prompt"),
        ({"prescore": "tiny"}, "prescore: a model pre-scores what a strategy finds"),
        ({"demos": "set"}, "got 'set'"),
        ({"demos": "set:"}, "got 'set:'"),
        ({"demos": "set:a,b"}, "got 'set:a,b'"),
        ({"demos": "set:best@12"}, "got 'set:best@12'"),
    ],
)
def test_what_makes_no_sense_with_a_set_is_refused(change: dict, said: str, request_: RunRequest) -> None:
    with pytest.raises(BadInput, match=said):
        replace(request_, **change)


def test_other_tasks_gather_the_same_set(engine: Engine, request_: RunRequest) -> None:
    first, second, _ = ids(engine)
    kept = save(engine, Member(second, 0.5), Member(first))
    inputs = gather(resolve(engine, request_))
    assert [entry.demonstration.id for entry in inputs.chosen] == [second, first]
    assert inputs.of_set == of_set(engine.store, inputs.dataset, inputs.query, kept.reference)


def test_a_study_takes_one_version_of_a_shared_set_with_its_weights(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = save(engine, Member(window(engine, 0, 2), 2.0), Member(window(engine, 1, 2), 0.0))
    asked = StudyRequest(
        "drift", "toy", "tiny", users=2, demos="set:best", candidates=4, periods=2, cut=1, seed=1
    )
    tasks, rank_all = [], ranking.rank_all

    def noted(loaded: LoadedModel, some: list[Task]) -> list[ranking.RankResult]:
        tasks.extend(some)
        return rank_all(loaded, some)

    monkeypatch.setattr(ranking, "rank_all", noted)
    result = study_job(engine, asked.to_json(), quiet)
    assert result["request"]["demos"] == f"set:{kept.reference}"
    assert {len(task.demos) for task in tasks} == {2}
    assert {task.weights for task in tasks} == {(2.0, 0.0)}
    assert runs.count(engine.store) == 0
