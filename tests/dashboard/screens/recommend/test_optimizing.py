"""Choose for me: asked by one press, watched, replayed, put on the desk with its weights."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend import optimize_text
from dashboard.screens.recommend.optimize_text import Step
from dashboard.screens.recommend.path_chart import describe, path
from dashboard.text import domain
from dashboard.ui.theme import LIGHT
from db import jobs
from db.jobs import Job
from db.requests import OptimizeRequest, RunRequest
from db.store import Store
from tests.support import fake_optimize, shop
from tests.support.fake_engine import FakeEngine, effects, pool, rank
from tests.support.reading import button, read, texts, until

Open = Callable[..., AppTest]
ASKED = {"dataset": "simulated", "user": "shopper 0012", "model": "embedded", "target": "test"}


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    return store


def offered(store: Store) -> list[dict[str, Any]]:
    """The pool of the user asked about."""
    return pool(store, RunRequest("simulated", "shopper 0012"))


def ended(store: Store, verdict: str = "two-stage") -> Job:
    """A finished optimization for the user on the page."""
    job = jobs.submit(store, "optimize", ASKED)
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", fake_optimize.result(ASKED, offered(store), verdict))
    return jobs.get(store, job.id)


def seen(app: AppTest) -> str:
    """Text and tables of the page as a person reads them."""
    return read("\n".join([texts(app), *(each.value.to_string() for each in app.table)]))


def test_one_press_files_the_work_for_the_user_at_hand(open_page: Open, stocked: Store) -> None:
    app = open_page()
    button(app, "Optimize").click().run()
    assert not app.exception
    [job] = jobs.listing(stocked, kinds=["optimize"])
    assert job.payload == {name: ASKED[name] for name in ("dataset", "user", "model")}
    OptimizeRequest.from_json(job.payload)
    assert "waiting for the engine to start" in texts(app)
    app.run()
    assert len(jobs.listing(stocked, kinds=["optimize"])) == 1


def test_from_the_press_to_the_desk(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page()
        button(app, "Optimize").click().run()
        until(app, "held out: the choice did not use")
        assert not app.exception
        assert "Chosen and weighted. On 2 held-out purchases it beats <b>zero-shot</b>." in seen(app).replace(
            "**", ""
        )
        assert "Step 5: set applied" in seen(app)
        button(app, "Put this on the desk").click().run()
    one, _, three = (each["id"] for each in offered(stocked)[:3])
    assert app.query_params["set"] == f"{one}*1.6,{three}*0.7"
    assert [slider.value for slider in app.slider] == [1.6, 0.7]


def test_an_earlier_step_is_replayed_and_can_be_taken(open_page: Open, stocked: Store) -> None:
    job = ended(stocked)
    app = open_page()
    button(app, "Optimize").click().run()
    assert len(jobs.listing(stocked, kinds=["optimize"])) == 1, "what is stored is not asked again"
    app.select_slider(key=f"optimize-step-{job.id}").set_value(3).run()
    assert "<b>Another</b> is worth more." in seen(app)
    assert "Left out:" in seen(app)
    button(app, "Put step 3 on the desk").click().run()
    assert [slider.value for slider in app.slider] == [1.0, 1.0]


def test_zero_shot_empties_the_desk_with_its_reason(open_page: Open, stocked: Store) -> None:
    ended(stocked, "zero-shot")
    app = open_page()
    button(app, "Optimize").click().run()
    assert "No demonstrations" in texts(app)
    button(app, "Empty the desk").click().run()
    assert app.query_params["set"] == "none"


def test_another_users_optimization_is_not_shown(open_page: Open, stocked: Store) -> None:
    ended(stocked)
    app = open_page(data="simulated", user="shopper 0003", model="embedded")
    button(app, "Optimize").click().run()
    assert len(jobs.listing(stocked, kinds=["optimize"])) == 2


def test_what_failed_says_why_as_plain_text(open_page: Open, stocked: Store) -> None:
    job = jobs.submit(stocked, "optimize", ASKED)
    jobs.claim(stocked, "me")
    jobs.fail(stocked, job.id, "me", "Too few <i>past</i> purchases :smile:")
    app = open_page()
    button(app, "Optimize").click().run()
    assert any("Too few <i>past</i> purchases :smile:" in read(error.value) for error in app.error)
    button(app, "Try again").click().run()
    assert [each.state for each in jobs.listing(stocked, kinds=["optimize"])] == [jobs.QUEUED, jobs.ERROR]


def test_other_options_ask_anew(open_page: Open, stocked: Store) -> None:
    ended(stocked)
    app = open_page()
    button(app, "Optimize").click().run()
    app.number_input(key="optimize-size").set_value(2).run()
    app.number_input(key="optimize-tokens").set_value(150).run()
    app.toggle(key="optimize-guard").set_value(False).run()
    button(app, "Choose again").click().run()
    newest = jobs.listing(stocked, kinds=["optimize"])[0].payload
    assert (newest["size"], newest["tokens"], newest["guard"]) == (2, 150, False)
    assert not {"stages", "beam", "sources"} & set(newest), "what nobody changed is the engine's to choose"
    OptimizeRequest.from_json(newest)


def test_work_goes_on_with_the_dialog_closed_and_is_told_on_the_desk(open_page: Open, stocked: Store) -> None:
    jobs.submit(stocked, "optimize", ASKED)
    app = open_page()
    assert "Optimizing: waiting for the engine" in texts(app)


def steps() -> list[Step]:
    """The path of a made-up optimization."""
    return optimize_text.steps({"path": fake_optimize.path(["a", "b", "c"])})


def test_the_path_marks_the_step_and_names_both_lines() -> None:
    figure: Any = path(steps(), 3, LIGHT)
    assert [shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1] == [3]
    names = " ".join(note.text for note in figure.layout.annotations)
    for name in ("+0.74", "used to choose", "+0.52", "held out", "choosing", "weighting"):
        assert name in names
    assert list(figure.data[1].x) == [0, 1, 2, 4, 5], "the held-out purchases were not looked at in step 3"
    assert "6 steps" in describe(steps())


def test_a_set_is_told_with_what_changed() -> None:
    views = {"a": {"source": "proximal", "history": ["<i>x</i>"], "answer": "y *z*"}}
    table = optimize_text.set_table(steps()[4], steps()[3], views)
    assert "1.00 → :blue[**1.60**]" in table["weight"][0]
    assert ":orange[**0.70**]" in table["weight"][1]
    assert read(table["demonstration"][0]) == "… <i>x</i> → **y *z*** :gray[own window]"
    assert len(optimize_text.left_out(steps()[3], steps()[2], views)) == 1


def test_weights_are_put_where_the_desk_can_hold_them() -> None:
    assert optimize_text.on_desk(7.2) == 3.0
    assert optimize_text.on_desk(-0.1) == 0.0
    assert optimize_text.on_desk(1.2345) == 1.23


def test_gains_are_told_as_far_as_they_are_sure() -> None:
    found = fake_optimize.result({"user": "u"}, offered_views())
    cells = optimize_text.numbers(found)
    assert cells[0] == ("Chosen, held out", "+0.410", "+0.12 to +0.72 NDCG@10, each end 70 % sure")
    assert cells[-1][:2] == ("Sets tried", "56")
    one = {"guard": {"gain_stage1": {"mean": 0.2, "low": -math.inf, "high": math.inf}, "gain_stage2": None}}
    assert optimize_text.numbers(one) == [
        ("Chosen, held out", "+0.200", "NDCG@10, no interval"),
        ("Sets tried", "0", "–"),
    ]


def test_probes_are_told_in_words() -> None:
    told = optimize_text.probes_told(fake_optimize.result({"user": "u"}, offered_views()), domain.SHOP)
    assert told.startswith("Judged on 3 earlier purchases of this user and 3 purchases of similar users")
    assert "2 were held out" in told
    assert optimize_text.probes_told({}, domain.RATINGS) == "No past rating could serve as a target."


def offered_views() -> list[dict[str, Any]]:
    """Three demonstrations without a store."""
    item = {"item": "i", "title": "t"}
    return [
        {"id": name, "source": "neighbours", "similarity": 0.5, "history": [item], "answer": item}
        for name in "abc"
    ]
