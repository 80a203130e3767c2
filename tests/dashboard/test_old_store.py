"""The pages over a workspace that version 0.1.0 wrote: its runs, tunings and studies are shown."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.studies.conclusion import sentences
from dashboard.text.claims import OUTDATED, outdated
from db import jobs, runs
from db.settings import Settings
from db.store import Store
from tests.db.stores import reading
from tests.db.stores.reading import EXPECTED
from tests.support.reading import read, texts

Open = Callable[..., AppTest]
SHOP = {"data": "corner-shop", "model": "embedded"}

# A link as version 0.1.0 wrote it, and what its run is known by.
LINKS: tuple[tuple[dict[str, str], dict[str, Any]], ...] = (
    ({"user": "c01"}, {"candidates": 20}),
    ({"user": "c01", "n": "8", "demos": "none"}, {"demos": "none"}),
    ({"user": "c18", "n": "8", "demos": "neighbours:2", "model": "shop-recicl"}, {"model": "shop-recicl"}),
    ({"user": "c03", "n": "8", "demos": "neighbours:2", "scoring": "yes_no"}, {"scoring": "yes_no"}),
    ({"user": "c03", "n": "8", "demos": "neighbours:2", "scoring": "listwise"}, {"scoring": "listwise"}),
    ({"user": "c04", "n": "8", "demos": "neighbours:2", "history": "3"}, {"history": 3}),
    (
        {"user": "c04", "n": "8", "demos": "neighbours:2", "history": "4", "by": "semantic"},
        {"history_by": "semantic"},
    ),
    ({"user": "c05", "n": "8", "demos": "neighbours:2", "hint": "itemknn"}, {"hint": "itemknn"}),
    (
        {"user": "c06", "n": "8", "demos": "neighbours:2", "embedding": "encoders/titles"},
        {"embedding": "encoders/titles"},
    ),
    ({"user": "c06", "n": "8", "demos": "random:2", "seed": "11", "prompts": "2"}, {"prompts": 2}),
    ({"user": "c06", "n": "8", "demos": "neighbours:2", "forward": "3"}, {"forward": 3}),
    ({"user": "c07", "n": "8", "demos": "recent:2", "prescore": "embedded"}, {"prescore": "embedded"}),
    (
        {"user": "c08", "n": "8", "demos": "neighbours:2", "perturb": "ridge:0.2+negatives:0.5"},
        {"perturb": "ridge:0.2+negatives:0.5"},
    ),
    ({"user": "c11", "n": "8", "demos": "neighbours:90t"}, {"demos": "neighbours:90t"}),
    ({"user": "c11", "n": "8", "demos": "twostage:2"}, {"demos": "twostage:2"}),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of the old workspace; `store` and `open_page` work on it."""
    return reading.unpack(tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The old store, not an empty one in its place."""
    with Store.open(settings) as opened:
        yield opened


STATES = {
    "QUEUED": "waiting",
    "RUNNING": "running",
    "COMPLETED": "done",
    "STOPPED": "stopped",
    "ERROR": "failed",
}


def value(parameter: Any) -> str:
    """A parameter of the address bar, which may come as a list."""
    return parameter[0] if isinstance(parameter, list) else parameter


def table(app: AppTest, column: str) -> Any:
    """The table of the page that has this column."""
    return next(each.value for each in app.dataframe if column in each.value.columns)


@pytest.mark.parametrize(("params", "fields"), LINKS, ids=str)
def test_an_old_link_shows_its_stored_run(
    open_page: Open, store: Store, params: dict[str, str], fields: dict[str, Any]
) -> None:
    expected = reading.run_of(user=params["user"], **fields)
    run = runs.by_key(store, expected["key"])
    assert run is not None
    app = open_page(**{**SHOP, **params})
    assert not app.exception
    assert not app.error, [each.value for each in app.error]
    assert "Not ranked yet" not in texts(app)
    assert "an earlier version of the engine or of the model made this list" in texts(app)
    shown = [each["id"] for each in run.result["demonstrations"]]
    if run.request.prompts == 1:
        assert [slider.key for slider in app.slider] == [f"weight-{name}" for name in shown]
    assert len(jobs.listing(store, limit=1000)) == len(EXPECTED["jobs"]), "served, not asked for again"


def test_without_a_link_the_newest_run_opens(open_page: Open, store: Store) -> None:
    newest = runs.listing(store, limit=1)[0]
    app = open_page()
    assert not app.exception
    assert app.query_params["user"] in (newest.user_id, [newest.user_id])
    assert "Not ranked yet" not in texts(app)


def test_every_run_is_explained(open_page: Open, store: Store) -> None:
    measured = {each["run_key"] for each in EXPECTED["effects"] if "mode" not in each["options"]}
    app = open_page("explain")
    for run in runs.listing(store, limit=1000):
        app.query_params["run"] = run.key
        app.run()
        assert not app.exception, run.request
        assert not app.error, (run.request, [each.value for each in app.error])
        assert value(app.query_params["run"]) == run.key
        assert ("All numbers" in texts(app)) == (run.key in measured), run.request


def test_what_else_was_measured_of_a_run_is_shown(open_page: Open, store: Store) -> None:
    key = reading.run_of(user="c16")["key"]
    app = open_page("explain", run=key)
    assert "Not measured yet" not in texts(app), "spread and forward tuning"
    for mode in ("total", "reprompt"):
        app.segmented_control(key="explain-mode").set_value(mode).run()
        assert not app.exception
        assert "Not measured yet" not in texts(app), mode


def test_every_run_is_compared(open_page: Open, store: Store) -> None:
    keys = [run.key for run in runs.listing(store, limit=1000)]
    app = open_page("compare")
    for a, b in pairwise(keys):
        app.query_params["a"], app.query_params["b"] = a, b
        app.run()
        assert not app.exception, (a, b)
        assert not app.error, (a, b)
        assert [box.value for box in app.selectbox if box.label in ("Run A", "Run B")] == [a, b]
        assert "In one sentence" in texts(app)


@pytest.mark.parametrize(
    ("page", "kind", "head"), [("tune", "tune", "tuning"), ("studies", "study", "study")]
)
def test_every_tuning_and_study_is_shown(
    open_page: Open, store: Store, page: str, kind: str, head: str
) -> None:
    known = jobs.listing(store, kinds=[kind], limit=1000)
    app = open_page(page)
    assert not app.exception
    assert list(table(app, "state")["state"]) == [STATES[job.state] for job in known]
    for job in known:
        app.query_params[head] = str(job.id)  # as a selected row of the list does
        app.run()
        assert not app.exception, job
        assert read("\n".join(each.value for each in app.error)) == (job.error or ""), job
        keys = {each.key for each in app.button}
        if job.state in (jobs.QUEUED, jobs.RUNNING):
            assert f"stop-{head}-{job.id}" in keys, job
        elif job.state != jobs.COMPLETED:
            assert keys & {f"again-{job.id}", f"again-{head}-{job.id}"}, job
        elif kind == "tune":
            assert f"use-{job.id}" in keys, job
        else:
            assert job.result is not None
            said = OUTDATED if outdated(job.result) else job.result["claim"]
            shown = texts(app)  # a claim of several sentences stands as a list
            assert all(sentence in shown for sentence in sentences(said)), job


def test_the_library_lists_what_there_was(open_page: Open, store: Store) -> None:
    open_page("library")  # passes by Recommend, which ranks by itself: one job more
    shelves = {
        "Data sets": ("name", {"simulated", "corner-shop"}),
        "Models": ("name", {model["name"] for model in EXPECTED["models"]}),
        "Jobs": ("job", {job.id for job in jobs.listing(store, limit=90)}),
        "Storage": ("part", {"database", "models", "tuned models", "baselines", "uploads"}),
    }
    for shelf, (column, listed) in shelves.items():
        app = open_page("library", shelf=shelf)
        assert not app.exception, shelf
        assert not app.error, shelf
        assert listed <= set(table(app, column)[column]), shelf
