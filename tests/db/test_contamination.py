"""The newest verdict of a model and a data set, from stored studies."""

import time

from db import contamination, datasets, jobs, models
from db.datasets import DatasetInfo
from db.models import ModelInfo
from db.store import Store
from tests.toys import toy_columns


def study(store: Store, verdict: str | None, revision: str = "r", **asked: object) -> int:
    payload = {"study": "contamination", "dataset": "toy", "model": "m", **asked}
    job = jobs.submit(store, "study", payload)
    assert jobs.claim(store, "me") is not None
    result = {"model": {"revision": revision}, "claim": f"m: {verdict}."}
    jobs.finish(store, job.id, "me", result | ({"verdict": verdict} if verdict else {}))
    return job.id


def test_the_newest_study_of_model_and_data_set_speaks(store: Store, toy: DatasetInfo) -> None:
    models.register(store, ModelInfo("m", "folder", "r", "A", 1, 512))
    models.register(store, ModelInfo("other", "folder", "r", "A", 1, 512))
    assert contamination.verdict(store, "toy", "m") is None
    assert contamination.line(store, "toy", "m").endswith(
        "not measured: dualens study contamination -d toy -m m"
    )
    study(store, "none", seed=1)
    newest = study(store, "titles", seed=2)
    study(store, None, seed=3)
    study(store, "knows", study="strategies")
    third = study(store, "knows", model="other")
    jobs.submit(store, "study", {"study": "contamination", "dataset": "toy", "model": "m", "seed": 4})
    known = contamination.verdict(store, "toy", "m")
    assert known is not None
    assert (known.study, known.verdict, known.short) == (newest, "titles", "knows titles")
    assert contamination.line(store, "toy", "m").endswith(f": m: titles. (study {newest})")
    assert [one.study for one in contamination.measured(store)] == [third, newest]
    assert [one.study for one in contamination.measured(store, model="other")] == [third]
    assert contamination.measured(store, dataset="none") == []


def test_what_was_replaced_since_says_nothing(store: Store, toy: DatasetInfo) -> None:
    models.register(store, ModelInfo("m", "folder", "new", "A", 1, 512))
    study(store, "none", revision="old")
    assert contamination.measured(store) == [], "another model of that name"
    study(store, "none", revision="new", seed=1)
    assert len(contamination.measured(store)) == 1
    datasets.delete(store, "toy")
    assert contamination.measured(store) == []
    time.sleep(0.01)
    datasets.insert(store, "toy", toy_columns(7), kind="t", source="t", fingerprint="new", report={})
    assert contamination.measured(store) == [], "another data set of that name"
