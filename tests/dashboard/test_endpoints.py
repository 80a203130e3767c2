"""A model behind an endpoint on the pages: what it can do is offered, what it cannot is not."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.explain_text import effect_table
from dashboard.state import outcome
from dashboard.text import words
from db import jobs, models, runs
from db.endpoints import Endpoint, Ways
from db.models import ModelInfo
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import rank
from tests.support.reading import button, texts

Open = Callable[..., AppTest]
EVERYTHING = Ways("echo", 20, True, 20, True, True)


def add(store: Store, ways: Ways = EVERYTHING, **how: Any) -> ModelInfo:
    shop.stock(store)
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "tiny", ways=ways, **how)
    details = {"endpoint": endpoint.as_dict(), "scoring": endpoint.best}
    return models.register(store, ModelInfo("far", endpoint.source, "r9", "endpoint", 0, 4096, details))


def ranked(store: Store, **how: Any) -> Run:
    return rank(store, RunRequest("simulated", "shopper 0012", "far", **how))


def labels(app: AppTest, kind: str) -> list[str]:
    return [getattr(each, "label", "") for each in app.get(kind)]


def test_the_library_says_what_it_answers(open_page: Open, store: Store) -> None:
    add(store, key_from="TOY_KEY", notes=("The address is not encrypted (http).",))
    app = open_page("library", shelf="Models")
    assert not app.exception
    [table] = [each.value for each in app.dataframe if "fits" in each.value.columns]
    row = table.set_index("name").loc["far"]
    assert (row["parameters"], row["memory"], row["fits"]) == ("–", "–", "at its server")


def test_the_form_asks_for_everything_but_the_key(open_page: Open, store: Store) -> None:
    app = open_page("library", shelf="Models")
    app.text_input(key="endpoint-name").set_value("near")
    app.text_input(key="endpoint-source").set_value("http://127.0.0.1:1/v1")
    app.text_input(key="endpoint-key_from").set_value("TOY_KEY")
    button(app, "Ask and register").click().run()
    [job] = jobs.listing(store, kinds=["register_model"])
    assert job.payload["source"] == "http://127.0.0.1:1/v1"
    assert job.payload["key_from"] == "TOY_KEY"
    assert job.payload["budget"] == 500_000


@pytest.mark.parametrize(
    ("source", "key_from"),
    [
        ("http://127.0.0.1:1/v1", "sk-secret-1"),
        ("http://ann:secret@host/v1", ""),
        ("http://h/v1?k=secret", ""),
    ],
)
def test_a_secret_is_not_stored_with_the_job(
    open_page: Open, store: Store, source: str, key_from: str
) -> None:
    app = open_page("library", shelf="Models")
    app.text_input(key="endpoint-name").set_value("near")
    app.text_input(key="endpoint-source").set_value(source)
    app.text_input(key="endpoint-key_from").set_value(key_from)
    button(app, "Ask and register").click().run()
    assert "Nothing was" in texts(app)
    assert not jobs.listing(store)
    app.text_input(key="register-source").set_value("http://ann:secret@host/v1")
    button(app, "Register").click().run()
    assert not jobs.listing(store)


def test_a_page_that_others_reach_has_no_such_form(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUALENS_FOLDERS", "[]")
    app = open_page("library", shelf="Models")
    assert not app.exception
    assert "Ask and register" not in labels(app, "button")


def test_recommend_offers_what_a_server_can_do(open_page: Open, store: Store) -> None:
    add(store)
    run = ranked(store)
    app = open_page(data="simulated", user="shopper 0012", model="far")
    assert not app.exception
    assert not [each for each in app.slider if each.label.startswith("Weight of")]
    switches = [each for each in app.toggle if each.label.startswith("Demonstration ")]
    assert len(switches) == len(run.result["demonstrations"])
    assert "Optimize" not in labels(app, "button")
    assert "titles written freely" in app.selectbox(key="pick-scoring").options
    asked = {each.key for kind in ("selectbox", "multiselect", "number_input") for each in app.get(kind)}
    assert not {"pick-perturb", "pick-forward"} & asked
    assert "Measure effects" in labels(app, "button")
    assert any("calls to its server" in text for text in texts(app).splitlines())
    assert not jobs.listing(store, kinds=["effects"])  # they cost calls: only when asked for
    button(app, "Measure effects").click().run()
    [job] = jobs.listing(store, kinds=["effects"])
    assert job.payload["mode"] == "reprompt"


def test_a_switch_leaves_a_demonstration_out(open_page: Open, store: Store) -> None:
    add(store)
    ranked(store)
    app = open_page(data="simulated", user="shopper 0012", model="far")
    app.toggle[[each.label for each in app.toggle].index("Demonstration 1 is in the prompt")].set_value(
        False
    ).run()
    assert not app.exception
    assert app.session_state.view.chosen[0].weight == 0.0


@pytest.mark.usefixtures("home")
def test_a_run_of_an_endpoint_is_current_whatever_the_engine_computes_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    run = ranked(store)
    made = {**run.result["model"], "dtype": "remote", "device": "remote"}
    elsewhere = replace(run, result={**run.result, "model": made})
    engine = SimpleNamespace(dtype="float32", device="cpu")
    monkeypatch.setattr(outcome.workers, "alive", lambda *_: [engine])
    assert outcome._computed_as_now(elsewhere)
    near = rank(store, RunRequest("simulated", "shopper 0012"))
    other = {**near.result["model"], "dtype": "bfloat16"}
    assert not outcome._computed_as_now(replace(near, result={**near.result, "model": other}))


def test_scorings_are_those_of_the_model(open_page: Open, store: Store) -> None:
    add(store, Ways(chat=True))
    app = open_page(data="simulated", user="shopper 0012", model="far")
    assert app.selectbox(key="pick-scoring").options == ["the model's default", "titles written freely"]
    local = open_page(data="simulated", user="shopper 0012", model="embedded")
    assert "titles written freely" not in local.selectbox(key="pick-scoring").options


def test_forms_that_need_weights_do_not_offer_it(open_page: Open, store: Store) -> None:
    add(store)
    for page, key in (("tune", "tune-base"), ("studies", "study-model")):
        app = open_page(page)
        assert not app.exception
        offered = [each.options for each in app.selectbox if key in str(each.key)]
        assert offered
        assert all("far" not in options for options in offered), page


def without_likelihoods(run: Run) -> Run:
    nothing = dict.fromkeys(("loss", "loss_zero_shot", "margin", "margin_zero_shot"))
    return replace(run, result={**run.result, **nothing})


def test_free_text_has_no_loss_on_any_page(open_page: Open, store: Store, monkeypatch) -> None:
    add(store, Ways(chat=True))
    made = ranked(store, scoring="free")
    plain = without_likelihoods(made)
    assert "loss" not in words.recommend(plain.result, None)
    for name in ("by_key", "get", "by_request"):
        real = getattr(runs, name)
        monkeypatch.setattr(
            runs, name, lambda *given, real=real: (r := real(*given)) and without_likelihoods(r)
        )
    app = open_page(data="simulated", user="shopper 0012", model="far", scoring="free")
    assert not app.exception
    assert "ranked by free text" in texts(app)
    assert not open_page("explain", run=made.key).exception
    assert not open_page("compare", a=made.key, b=made.key).exception


def test_explain_shows_what_a_server_lets_be_seen(open_page: Open, store: Store) -> None:
    add(store)
    run = ranked(store)
    app = open_page("explain", run=run.key)
    assert not app.exception
    said = texts(app)
    assert "Perturbation spread" not in said
    assert "Forward tuning" not in said
    assert "calls to its server" in said
    rows = [
        {"id": demo["id"], "effect": 0.1 * n, "interval": [0.1 * n] * 2, "leave_one_out": None, "mass": None}
        for n, demo in enumerate(run.result["demonstrations"], 1)
    ]
    proxy = {
        "model": "embedded",
        "run": "x",
        "demonstrations": [{"id": row["id"], "effect": row["effect"]} for row in rows],
        "spearman": 1.0,
        "agreement": {"mean": 0.5, "low": 0.1, "high": 0.9, "n": 12},
    }
    result = {
        "measure": "margin", "mode": "reprompt", "estimator": "exact", "passes": 16, "value_zero_shot": 0.0,
        "value": 1.0, "effect_total": 1.0, "zero_shot": 0.0, "demonstrations": rows, "interactions": None,
        "spearman_leave_one_out": None, "redundant": None, "notes": ["Answered by the endpoint of far."],
        "proxy": proxy,
    }  # fmt: skip
    runs.save_effects(store, run.key, "k", {"proxy": "embedded", "measure": "margin"}, result, {})
    app = open_page("explain", run=run.key)
    assert not app.exception
    assert "+0.50 on average (95 % +0.10 to +0.90) over 12 users seen so far." in texts(app)
    assert "embedded" in effect_table(result, run.result["demonstrations"]).columns
    button(app, "Measure beside it").click().run()
    [job] = jobs.listing(store, kinds=["effects"])
    assert (job.payload["proxy"], job.payload["mode"]) == ("embedded", "reprompt")
