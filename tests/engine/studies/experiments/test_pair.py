"""Two rows of a finished experiment, from stored cells alone."""

import pytest

from db import jobs
from db.errors import BadInput, NotFound
from db.requests import ExperimentRequest
from db.store import Store
from engine.studies.experiments import pair as pairs
from engine.studies.experiments.pair import pair
from tests.support import fake_experiment, shop

ASKED = ExperimentRequest(
    "simulated", users=12, demos=("none", "random:2", "neighbours:4"), draws=2, baselines=("popularity",)
)


def experiment(store: Store) -> int:
    """The number of a finished one."""
    shop.stock(store)
    job = jobs.submit(store, "experiment", ASKED.to_json())
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", fake_experiment.result(store, ASKED))
    return job.id


def test_any_two_rows_are_compared_as_the_answer_compares_its_own(store: Store) -> None:
    number = experiment(store)
    said = jobs.get(store, number).result or {}
    found = pair(store, number, said["reference"], said["challenger"])
    assert found["zones"] == said["zones"]
    assert found["users"] == len(found["gains"]["users"]) == ASKED.users
    assert all(row["run_before"] and row["effect"] is not None for row in found["gains"]["users"])
    other = pair(store, number, "popularity", "random:2")
    assert all(row["run_before"] is None for row in other["gains"]["users"])
    mean = sum(row["gain"] for row in other["gains"]["users"]) / ASKED.users
    test = said["comparisons"]["ndcg10"]["popularity"]["random:2"]
    assert mean == pytest.approx(test["mean"])


def test_of_many_users_the_ends_are_named_and_all_are_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = experiment(store)
    whole = pair(store, number, "none", "neighbours:4")
    monkeypatch.setattr(pairs, "MOST_USERS", 4)
    found = pair(store, number, "none", "neighbours:4")
    every = whole["gains"]["users"]
    assert found["gains"]["users"] == [*every[:2], *every[-2:]]
    assert sum(part["n"] for part in found["zones"][0]["zones"].values()) == ASKED.users
    assert all(len(part["users"]) <= 4 for part in found["zones"][0]["zones"].values())


def test_what_cannot_be_compared_is_refused_in_a_sentence(store: Store) -> None:
    number = experiment(store)
    with pytest.raises(BadInput, match="is no row of the experiment"):
        pair(store, number, "none", "gone")
    with pytest.raises(BadInput, match="with itself"):
        pair(store, number, "none", "none")
    with pytest.raises(NotFound):
        pair(store, number + 99, "none", "random:2")
    waiting = jobs.submit(store, "experiment", ASKED.to_json())
    with pytest.raises(BadInput, match="has not ended"):
        pair(store, waiting.id, "none", "random:2")
    tuning = jobs.submit(store, "tune", {"dataset": "simulated"})
    with pytest.raises(NotFound, match="is no experiment"):
        pair(store, tuning.id, "none", "random:2")
