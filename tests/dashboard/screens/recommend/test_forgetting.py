"""Forget on Recommend: the question, list before and now, undo, and the check."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend import forgetting, history
from dashboard.state.view import View
from dashboard.text import domain
from db import datasets
from db.datasets import UserInfo
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, later, texts

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}


@pytest.fixture
def stocked(store: Store) -> Store:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    return store


def effects_before(app: AppTest) -> bool:
    """Whether the table says of every demonstration of the run before what it did."""
    tables = [table.value for table in app.dataframe if "effect before" in table.value.columns]
    return bool(tables) and (tables[0]["effect before"] != "–").any()


def test_a_purchase_is_forgotten_compared_checked_and_brought_back(open_page: Open, stocked: Store) -> None:
    before = datasets.get(stocked, "simulated")
    user = datasets.user(stocked, before.id, "shopper 0012")
    with FakeEngine(stocked):
        app = open_page(**LINK)
        button(app, f"Forget purchase {user.length - 1}").click().run()
        assert "as if it had never been" in texts(app)
        button(app, "Forget it").click().run()
        later(app, lambda: "The target, " in texts(app) or "another one now" in texts(app), "what changed")
        later(app, lambda: effects_before(app), "the effects before")
        after = datasets.get(stocked, "simulated")
        assert after.interactions == before.interactions - 1
        assert datasets.user(stocked, after.id, "shopper 0012").length == user.length - 1
        app = open_page(**LINK)
        button(app, "1 forgotten").click().run()
        button(app, "Check what still knows it").click().run()
        later(app, lambda: any("what to do" in str(t.value.columns) for t in app.dataframe), "the places")
        next(each for each in app.button if str(each.key) == "forget-undo-0").click().run()
        later(app, lambda: "It counts as before" in texts(app) or "The target, " in texts(app), "undone")
    assert not app.exception
    assert datasets.get(stocked, "simulated") == before


def test_a_history_with_nothing_left_says_so() -> None:
    user = UserInfo(user=0, user_id="u", length=0, last_timestamp=None, tie=False)
    for length in (0, 1):
        said = history.about(View(), replace(user, length=length), domain.of("simulated"))
        assert said.startswith("Too short to rank: nothing stands before the purchase to predict.")
    assert "the newest 1 of 1" in history.about(View(), replace(user, length=2), domain.of("simulated"))


def test_what_changed_is_said_as_it_is(stocked: Store) -> None:
    run = rank(stocked, RunRequest("simulated", "shopper 0012"))
    title, at = run.result["target"]["title"], run.result["metrics"]["rank"]
    run = replace(run, result={**run.result, "margin": -1.0})
    metrics = {**run.result["metrics"], "rank": at + 2}
    after = replace(run, result={**run.result, "metrics": metrics, "margin": -0.5})
    said = forgetting._said(run, run)
    assert said == f"The target, {title}, stays at rank {at:g}; the log of its share does not change."
    said = forgetting._said(run, after)
    assert said == (
        f"The target, {title}, goes from rank {at:g} to {at + 2:g}; the log of its share changes by +0.500."
    )
