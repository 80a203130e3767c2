"""Effects of a run: by turning down at once, by dropping from the background, which then takes its place."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from db import jobs, runs, workers
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from db.workers import Worker
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank
from tests.support.reading import button, texts, until

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}


@pytest.fixture
def run(store: Store) -> Run:
    shop.stock(store)
    return rank(store, RunRequest("simulated", "shopper 0012"))


def test_turning_down_is_shown_while_dropping_is_measured(open_page: Open, store: Store, run: Run) -> None:
    effects(store, run)
    app = open_page(**LINK)
    assert "Effects if you turn it down" in texts(app)
    assert not jobs.listing(store, kinds=["effects"]), "a link asks for nothing"
    button(app, "Run").click().run()
    assert "Effects if you turn it down; measuring what dropping it does" in texts(app)
    assert "Effects if you turn it down, on the log of the target's share" in texts(app)
    [asked] = jobs.listing(store, kinds=["effects"])
    assert (asked.payload["mode"], asked.payload["measure"]) == ("reprompt", "margin")
    with FakeEngine(store):
        until(app, "Effects if you drop it")
    assert not app.exception
    assert {each.result["mode"] for each in runs.effects(store, run.key)} == {"direct", "reprompt"}


def test_both_come_by_themselves_and_the_pair_is_named(open_page: Open, store: Store, run: Run) -> None:
    with FakeEngine(store):
        app = open_page(**LINK)
        button(app, "Run").click().run()
        until(app, "Effects if you drop it")
    assert "Numbers 1 and 2 teach the same" in texts(app)
    assert [job.payload["mode"] for job in jobs.listing(store, kinds=["effects"])][::-1] == [
        "direct",
        "reprompt",
    ]


def test_a_failed_dropping_leaves_the_rest(open_page: Open, store: Store, run: Run) -> None:
    effects(store, run)
    with FakeEngine(store, errors={"effects": "no <i>luck</i>"}):
        app = open_page(**LINK)
        button(app, "Run").click().run()
        until(app, "what dropping does is not known")
    assert "Effects if you turn it down" in texts(app)
    assert "no <i>luck</i>" in texts(app)
    assert not app.error


def test_older_effects_on_the_loss_are_shown_as_such_until_they_are_measured_again(
    open_page: Open, store: Store, run: Run
) -> None:
    effects(store, run, measure="loss")
    app = open_page(**LINK)
    assert "on the loss of the target, in nats" in texts(app)


@pytest.mark.parametrize(("dtype", "current"), [("float32", True), ("float64", False), ("auto", True)])
def test_a_run_in_another_number_format_is_not_shown_as_current(
    open_page: Open, store: Store, run: Run, dtype: str, current: bool
) -> None:
    """The engine would compute other numbers; one that has loaded no model yet says nothing about it."""
    assert run.result["model"]["dtype"] == "float32"
    workers.beat(store, Worker("here:1:cpu", 1, "here", "cpu", dtype, "ready"))
    app = open_page(**LINK)
    assert ("Not current:" not in texts(app)) is current
    assert "Not ranked yet" not in texts(app)
    if not current:
        button(app, "Run").click().run()
        assert [job.kind for job in jobs.listing(store)] == ["rank"], "asked anew"
