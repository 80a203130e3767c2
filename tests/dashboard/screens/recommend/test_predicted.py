"""The pool by predicted effect: offered once the target is known, sorted, explained, asked for once."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend import predicted
from db import jobs
from db.effect_results import SEEN, of_pool
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, pool, rank
from tests.support.reading import button, later, texts, until

Open = Callable[..., AppTest]
USER = "shopper 0026"
LINK = {"data": "simulated", "user": USER, "model": "embedded"}
REQUEST = RunRequest("simulated", USER)


@pytest.fixture
def stocked(store: Store) -> Store:
    shop.stock(store)
    effects(store, rank(store, REQUEST))
    return store


def tables(app: AppTest) -> list[Any]:
    return [frame.value for frame in app.dataframe if "source" in frame.value.columns]


def offered(app: AppTest) -> Any:
    """The pool's table."""
    return tables(app)[0]


def switch(app: AppTest) -> Any:
    return next(each for each in app.toggle if each.label == "By predicted effect")


def test_the_pool_is_sorted_by_it_and_says_that_it_has_seen_the_target(
    open_page: Open, stocked: Store
) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        app.button(key="add").click().run()
        later(app, lambda: tables(app), "the pool")
        before = offered(app)
        assert predicted.COLUMN not in before.columns
        assert not jobs.listing(stocked, kinds=["predicted"]), "measured only where a person asks for it"
        switch(app).set_value(True).run()
        until(app, SEEN[:40])
    table = offered(app)
    found = list(table[predicted.COLUMN])
    shown = [value for value in found if value == value]  # not those without
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len(found) - 1
    assert found[-1] != found[-1]
    assert len(table) == len(before)
    [job] = jobs.listing(stocked, kinds=["predicted"])
    assert job.result is not None
    assert of_pool(job.result) in texts(app)
    rows = pool(stocked, REQUEST)
    assert job.payload["demonstrations"] == [row["id"] for row in rows[4:]], "without those on the desk"
    assert RunRequest.from_json(job.payload["request"]) == REQUEST, "added to what is on the desk"
    assert not app.exception


def test_it_is_asked_for_once_however_often_the_page_is_drawn(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        app.button(key="add").click().run()
        later(app, lambda: tables(app), "the pool")
        switch(app).set_value(True).run()
        until(app, SEEN[:40])
        app.run()
        app.run()
    assert len(jobs.listing(stocked, kinds=["predicted"])) == 1


def test_a_pool_that_takes_long_is_drawn_in_two_steps(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked, delay_s={"pool": HELD, "predicted": HELD}) as engine:
        app = open_page(**LINK)
        app.button(key="add").click().run()
        until(app, "Collecting the pool")
        engine.delay_s["pool"] = 0.0
        later(app, lambda: tables(app), "the pool")
        switch(app).set_value(True).run()
        until(app, "Adding each of the pool to the prompt")
        assert not tables(app), "no row to tick yet"
        engine.delay_s["predicted"] = 0.0
        until(app, SEEN[:40])
    assert predicted.COLUMN in offered(app).columns
    assert not app.exception


def test_without_a_known_target_it_is_not_offered(open_page: Open, stocked: Store) -> None:
    views = pool(stocked, REQUEST)
    with FakeEngine(stocked):
        app = open_page(**LINK, set=f"{views[0]['id']},{views[1]['id']}")
        app.button(key="add").click().run()
        until(app, "By predicted effect: only once the target is known. Run the list first.")
        assert switch(app).disabled
        app = open_page(**LINK, set=f"{views[0]['id']},{views[1]['id']}")
        button(app, "Run").click().run()
        until(app, "In one sentence")
        app.button(key="add").click().run()
        later(app, lambda: tables(app), "the pool")
        assert not switch(app).disabled
    assert not app.exception


def test_a_refusal_is_said_and_the_pool_stays(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked, errors={"predicted": "The context has no <b>room</b>."}):
        app = open_page(**LINK)
        app.button(key="add").click().run()
        later(app, lambda: tables(app), "the pool")
        switch(app).set_value(True).run()
        until(app, "The context has no <b>room</b>.")
    assert len(offered(app)) > 0
    assert predicted.COLUMN not in offered(app).columns


def test_one_plain_prompt_only(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK, perturb="order")
        app.button(key="add").click().run()
        until(app, "only for one plain prompt")
        assert switch(app).disabled
