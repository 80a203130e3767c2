"""Pairs and the inside of the model on Explain, from the press to the sentence."""

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.step_chart import describe, step_map
from dashboard.ui.theme import LIGHT
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_explain, shop
from tests.support.fake_engine import FakeEngine, effects, rank
from tests.support.reading import button, texts, until

Open = Callable[..., AppTest]


def test_pairs_come_with_effects_or_are_measured_on_request(open_page: Open, store: Store) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        app = open_page("explain", part="pairs")
        button(app, "Measure pairs").click().run()
        until(app, "Number 1 and number 2 teach the same most: −0.20 log-share.")
    assert not app.exception
    assert "What two lose together beyond what each loses alone" in texts(app)
    effects(store, run)
    app.run()
    assert "measured with the effects if you turn it down" in texts(app), "those are there anyway"
    alone = rank(store, RunRequest("simulated", "shopper 0012", demos="proximal:1"))
    assert "There is one demonstration." in texts(open_page("explain", run=alone.key, part="pairs"))


def test_the_second_reading_says_that_it_is_a_reconstruction(open_page: Open, store: Store) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        app = open_page("explain", part="inside")
        button(app, "Measure the step").click().run()
        until(app, "25 % of the step is number 1 (x).")
    assert not app.exception
    assert "A second reconstruction of LRGD's metric" in texts(app)
    assert list(app.table[0].value["share of the step"]) == ["**25.0 %**"] * 4


def test_the_map_of_the_step_leaves_layers_empty_that_see_nothing(store: Store) -> None:
    shop.stock(store)
    result = fake_explain.step(store, rank(store, RunRequest("simulated", "shopper 0012")))
    figure: Any = step_map(result, ["<b>A</b>", "B", "C", "D"], LIGHT)
    [cells] = figure.data
    assert cells.hovertext[0][0] == ""
    assert "&lt;b&gt;A" in cells.hovertext[1][0]
    assert describe(result).endswith("1: 25 %, 2: 25 %, 3: 25 %, 4: 25 %.")
