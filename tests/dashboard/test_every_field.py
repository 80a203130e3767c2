"""Every field of every request reaches link, Compare and the page's job; forms draw it or say why not.

A field that one of them forgets fails here. Command line, digests, documentation: tests/test_every_field.py.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.compare import differences
from dashboard.screens.recommend import optimize_form
from dashboard.state.view import from_params, from_request, to_params
from dashboard.text import values
from db import choices, datasets, jobs, models, outside
from db.models import ModelInfo
from db.requests import Chosen, ExperimentRequest, OptimizeRequest, RunRequest, StudyRequest, TuneRequest
from db.requests.fields import RequestField, described, field_of
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import demonstrations_of, pool, rank
from tests.support.reading import button, read

Open = Callable[..., AppTest]
PLAIN = RunRequest("simulated", "shopper 0012")

# Another valid value for each field whose bounds or choices do not give one; the shop has what they name.
OTHERS: dict[str, Any] = {
    "dataset": "second",
    "user": "shopper 0003",
    "model": "second",
    "demos": "proximal:2",
    "weights": (1.0, 0.0, 2.0, 1.0),
    "template": "films",
    "hint": "itemknn",
    "embedding": "/models/encoder",
    "perturb": "ridge:0.2+order",
    "prescore": "second",
}


def stock(store: Store) -> Store:
    """Two data sets and two models, so that each can be changed."""
    shop.stock(store)
    shop.stock(store, name="second")
    models.register(store, ModelInfo("second", "/second", "r2", "Toy", 1000, 128))
    return store


def other(field: RequestField, store: Store) -> Any:
    """A valid value that is not the default."""
    if field.name == "demonstrations":
        first, second = (view["id"] for view in pool(store, PLAIN)[:2])
        return (Chosen(second, 2.0), Chosen(first))
    if field.name == "keep":
        return f"{pool(store, PLAIN)[0]['id']}*0.5@2"
    if field.name in OTHERS:
        return OTHERS[field.name]
    if field.choices:
        return next(name for name in field.choices if name != field.default)
    if field.kind is bool:
        return not field.default
    assert field.kind is int, f"{field.name}: give it another value in OTHERS"
    assert field.low is not None
    return field.default + 1 if field.low == field.default else int(field.low)


RUN_FIELDS = pytest.mark.parametrize("field", described(RunRequest), ids=lambda field: field.name)


@RUN_FIELDS
def test_a_link_carries_every_field_of_a_run(store: Store, field: RequestField) -> None:
    changed = replace(PLAIN, **{field.name: other(field, stock(store))})
    params = to_params(from_request(changed))
    assert field.link in params
    opened, notes = from_params(params)
    assert notes == []
    assert opened.request() == changed


@RUN_FIELDS
def test_compare_tells_every_field_of_a_run(store: Store, field: RequestField) -> None:
    stock(store)
    value = other(field, store)
    changed = replace(PLAIN, **{field.name: value})
    views = demonstrations_of(store, changed)
    if field.name == "weights":
        views = [{**view, "weight": weight} for view, weight in zip(views, value, strict=True)]
    a = rank(store, PLAIN)
    b = replace(a, request=changed, result={**a.result, "demonstrations": views})
    table = differences.changes((a, b))
    if field.name in ("demonstrations", "weights"):
        assert any("number" in label or field.asked.label in label for label in table.index)
        return
    assert field.asked.label in table.index
    said = [read(cell) for cell in table.loc[field.asked.label]]
    assert said == [values.shown(field, getattr(run.request, field.name)) for run in (a, b)]
    assert said[0] != said[1]


@RUN_FIELDS
def test_the_page_asks_the_engine_for_every_field_of_a_run(
    open_page: Open, store: Store, field: RequestField
) -> None:
    changed = replace(PLAIN, **{field.name: other(field, stock(store))})
    app = open_page(**to_params(from_request(changed)))
    button(app, "Run").click().run()
    assert not app.exception
    asked = jobs.listing(store, kinds=["rank"])[0].payload["request"]
    assert RunRequest.from_json(asked) == changed


# Fields that a form leaves out, and why; every other one is drawn.
NOT_ON_THE_PAGE: dict[type, dict[str, str]] = {
    OptimizeRequest: {
        **dict.fromkeys(
            ("dataset", "user", "model", "target", "history", "scoring", "template", "turns"),
            "as the page has them",
        ),
        **dict.fromkeys(
            ("pool", "steps", "ridge", "noise", "kappa", "draws", "calibrate", "start"),
            "for research on the optimizer: on the command line",
        ),
        "keep": "locked on the desk",
    },
    TuneRequest: {
        "periods": "fixed, so that models tuned up to one period compare",
        **dict.fromkeys(
            ("sources", "loss_on", "steps", "batch_tokens", "learning_rate", "patience"),
            "for research on tuning: on the command line",
        ),
    },
    StudyRequest: {"history": "every study shows as many items of the history"},
    ExperimentRequest: {"systems": "drawn where scores of the same lists were read"},
}
DRAWN_AS = {"kind": "what", "layout": "what", "study": "what"}  # the widget that asks for a field


def keys(app: AppTest) -> set[str]:
    """The keys of all widgets of the page."""
    kinds = ("selectbox", "number_input", "text_input", "multiselect", "toggle", "button_group")
    return {str(widget.key) for kind in kinds for widget in app.get(kind)}


def drawn(app: AppTest, form: str, request: type) -> set[str]:
    """The fields of a request that the form of this name draws."""
    widgets = keys(app)
    names = {field.name: f"{form}-{DRAWN_AS.get(field.name, field.name)}" for field in described(request)}
    return {
        name for name, key in names.items() if any(f"{widget}-".startswith(f"{key}-") for widget in widgets)
    }


def all_fields(request: type) -> set[str]:
    return {field.name for field in described(request)}


def test_the_optimizer_s_form_draws_every_field_or_says_why_not(open_page: Open, store: Store) -> None:
    stock(store)
    app = open_page(data="simulated", user="shopper 0012", model="embedded")
    button(app, "Optimize").click().run()
    shown = drawn(app, "optimize", OptimizeRequest)
    assert shown | set(NOT_ON_THE_PAGE[OptimizeRequest]) == all_fields(OptimizeRequest)
    assert not shown & set(NOT_ON_THE_PAGE[OptimizeRequest])
    assert set(optimize_form.OF_VIEW) - shown <= set(NOT_ON_THE_PAGE[OptimizeRequest])


def test_the_form_of_tunings_draws_every_field_or_says_why_not(open_page: Open, store: Store) -> None:
    stock(store)
    shown = drawn(open_page("tune"), "tune", TuneRequest)
    assert shown | set(NOT_ON_THE_PAGE[TuneRequest]) == all_fields(TuneRequest)
    assert not shown & set(NOT_ON_THE_PAGE[TuneRequest])


def test_the_form_of_studies_draws_what_each_study_asks(open_page: Open, store: Store) -> None:
    stock(store)
    app = open_page("studies")
    seen: set[str] = set()
    for study in choices.STUDIES.values():
        app.selectbox(key="study-what").set_value(study.name).run()
        shown = drawn(app, "study", StudyRequest)
        assert shown == {"study", "dataset", "model", "users", "seed", *study.asks}
        seen |= shown
    assert seen | set(NOT_ON_THE_PAGE[StudyRequest]) == all_fields(StudyRequest)


def test_the_form_of_experiments_draws_every_field_or_says_why_not(open_page: Open, store: Store) -> None:
    stock(store)
    form = partial(drawn, form="experiment", request=ExperimentRequest)
    assert form(open_page("experiments")) == all_fields(ExperimentRequest) - {"systems"}
    for info in datasets.listing(store):
        outside.save(store, info, outside.Lists(), "ours", {"shopper 0000": outside.Scored("digest", [1.0])})
    assert form(open_page("experiments")) == all_fields(ExperimentRequest)


def test_what_options_say_reaches_the_view_and_back(open_page: Open, store: Store) -> None:
    stock(store)
    app = open_page(data="simulated", user="shopper 0012", model="embedded")
    app.selectbox(key="pick-scoring").set_value("mean").run()
    app.selectbox(key="pick-hint").set_value("itemknn").run()
    app.number_input(key="pick-history").set_value(7).run()
    said = {name: app.query_params[name] for name in ("scoring", "hint", "history")}
    assert {name: value[0] if isinstance(value, list) else value for name, value in said.items()} == {
        "scoring": "mean",
        "hint": "itemknn",
        "history": "7",
    }
    app.selectbox(key="pick-hint").set_value("").run()
    assert "hint" not in app.query_params
    likelihoods = [row.label for name, row in choices.SCORINGS.items() if name != "free"]
    assert app.selectbox(key="pick-scoring").options == likelihoods


def test_a_new_choice_is_offered_without_a_change_of_a_page(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(store)
    toy = choices.Choice("toy", "a toy score", "Scores by the length of the title")
    monkeypatch.setitem(choices.SCORINGS, "toy", toy)
    monkeypatch.setitem(choices.STRATEGIES, "toy", choices.StrategyChoice("toy", "a toy way", "Chooses none"))
    app = open_page(data="simulated", user="shopper 0012", model="embedded")
    assert "a toy score" in app.selectbox(key="pick-scoring").options
    assert "a toy way" in app.selectbox(key="fill-name").options
    assert "**a toy score**: Scores by the length" in app.selectbox(key="pick-scoring").help
    assert values.shown(field_of(RunRequest, "scoring"), "toy") == "a toy score"


def test_a_new_study_has_its_form(open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stock(store)
    toy = choices.StudyChoice("toy", "Toy: does it run?", "Asks a few things", asks=("k", "scoring"), users=7)
    monkeypatch.setitem(choices.STUDIES, "toy", toy)
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("toy").run()
    assert not app.exception
    assert drawn(app, "study", StudyRequest) == {"study", "dataset", "model", "users", "seed", "k", "scoring"}
    button(app, "Start study").click().run()
    asked = StudyRequest.from_json(jobs.listing(store, kinds=["study"])[0].payload)
    assert (asked.study, asked.users, asked.k) == ("toy", 7, 4)
