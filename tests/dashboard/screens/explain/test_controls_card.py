"""Controls and the equivalence meter on Explain."""

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.controls_card import control_dots
from dashboard.screens.explain.identity_chart import describe, meter
from dashboard.ui.theme import LIGHT
from db.choices import EXPLANATIONS
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_explain, shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, texts, until

Open = Callable[..., AppTest]


def test_controls_and_the_meter_from_the_press_to_the_sentence(open_page: Open, store: Store) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        app = open_page("explain", part="controls")
        button(app, "Run controls").click().run()
        until(app, "The demonstrations change the target's margin by +1.00 log-share.")
        assert not app.exception
        assert "that identity is bookkeeping and no evidence of learning" in texts(app)
        assert "<b>x</b>" in texts(app)
        inside = open_page("explain", run=run.key, part="inside")
        button(inside, "Check the identity").click().run()
        until(inside, "In float32, attention equals the dual model in every layer.")
    assert not inside.exception
    assert list(inside.dataframe[0].value["layer"]) == [1, 2, 3]


def test_pictures_hold_their_numbers(store: Store) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    first, second = control_dots(fake_explain.controls(store, run))
    assert (first.label, first.mean) == ("this run", 1.0)
    assert (second.low, second.high) == (0.4, 0.5)
    result = fake_explain.identity(store, run)
    figure: Any = meter(result, LIGHT)
    assert figure.layout.yaxis.type == "log"
    assert min(figure.data[0].y) > 0, "a gap of 0 has a place on an axis of powers"
    assert "1: 1e-07 and 0e+00" in describe(result["layers"])


def test_every_explanation_has_a_stand_in() -> None:
    assert fake_explain.PARTS.keys() == EXPLANATIONS.keys() - {"evidence"}, "which takes no job on a page"
