"""The Explain page: effects with what they are checked by, spread, forward tuning, each with its sentence."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.dots import dots
from dashboard.screens.explain import explain_text
from dashboard.screens.explain.forward_chart import describe, forward
from dashboard.state.measuring import newest
from dashboard.state.outcome import effects_of
from dashboard.ui.theme import LIGHT
from db import jobs, models, runs
from db.requests import Chosen, RunRequest
from db.runs import Run
from db.store import Store
from tests.support import fake_engine, shop
from tests.support.fake_engine import FakeEngine, effects, rank
from tests.support.reading import button, named, read, texts, until

Open = Callable[..., AppTest]


@pytest.fixture
def run(store: Store) -> Run:
    """A stored run with its effects."""
    shop.stock(store)
    found = rank(store, RunRequest("simulated", "shopper 0012"))
    effects(store, found)
    return found


def section(app: AppTest, name: str) -> None:
    """Pick a section of the page."""
    named(app.segmented_control, "explain-section").set_value(name).run()


def demonstration(name: str, title: str = "x") -> dict[str, Any]:
    """One as runs name it."""
    return {"id": name, "source": "neighbours", "user": "u", "history": [], "answer": {"title": title}}


def measured(**values: Any) -> dict[str, Any]:
    """Effects of three demonstrations."""
    rows = [
        {"id": name, "effect": effect, "interval": [effect - 0.02, effect + 0.02], "leave_one_out": again}
        for name, effect, again in (("a", 1.0, 0.9), ("b", 0.2, 0.3), ("c", -0.4, 0.3))
    ]
    told = {"estimator": "kriging", "passes": 80, "measure": "loss", "mode": "direct"}
    return {**told, "demonstrations": rows, "spearman_leave_one_out": 0.3, **values}


THREE = [demonstration("a", "<b>A</b>"), demonstration("b"), demonstration("c")]


def test_it_opens_on_the_newest_run_and_says_how_effects_were_measured(open_page: Open, run: Run) -> None:
    app = open_page("explain")
    assert not app.exception
    assert app.selectbox(key="pick-explained").value == run.key
    seen = read(texts(app))
    assert "Shapley values from the 16 passes of all subsets" in seen
    assert "agrees with (+1.00) the order by leaving each one out alone" in seen
    assert len(app.table[0].value) == 4
    assert "What they share with the user" in seen
    assert seen.count("in the user's history") >= 4
    assert "Perturbation spread" not in seen, "other sections are drawn when they are picked"


def test_results_of_another_run_are_not_shown_and_its_jobs_are_let_go(
    open_page: Open, store: Store, run: Run
) -> None:
    other = rank(store, RunRequest("simulated", "shopper 0012", demos="proximal:2"))
    app = open_page("explain", run=run.key, part="stability")
    button(app, "Run perturbations").click().run()
    (job,) = jobs.listing(store, kinds=["spread"])
    assert "Running perturbations" in texts(app)
    app.selectbox(key="pick-explained").set_value(other.key).run()
    assert "Running perturbations" not in texts(app)
    time.sleep(jobs.GRACE_S + 0.2)
    assert jobs.claim(store, "engine", kinds=["spread"]) is None, "nobody looks at it any more"
    assert jobs.get(store, job.id).dropped
    app.selectbox(key="pick-explained").set_value(run.key).run()
    assert "stopped" not in texts(app).lower()
    assert not button(app, "Run perturbations").disabled


def test_a_run_whose_model_was_replaced_is_not_given_the_new_models_effects(
    open_page: Open, store: Store
) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    embedded = models.get(store, "embedded")
    models.register(store, replace(embedded, revision="another"))
    app = open_page("explain")
    assert "has changed since this run" in texts(app)
    assert all(each.label != "Measure effects" for each in app.button)
    section(app, "tokens")
    assert button(app, "Measure tokens").disabled
    section(app, "stability")
    assert button(app, "Run perturbations").disabled
    assert button(app, "Run forward tuning").disabled


def test_a_result_older_than_the_run_is_not_the_runs(open_page: Open, store: Store, run: Run) -> None:
    nameless = {"request": run.request.to_json(), "iterations": 4}
    job = jobs.submit(store, "forward", nameless)
    jobs.claim(store, "me", job_id=job.id)
    jobs.finish(store, job.id, "me", fake_engine.forward(4))
    assert newest("forward", replace(run, created_at=job.created_at + 60)) is None
    found = newest("forward", run)
    assert found is not None
    assert found.id == job.id


def test_it_follows_the_run_shown_last_until_one_is_picked(open_page: Open, store: Store, run: Run) -> None:
    app = open_page("explain")
    newer = rank(store, RunRequest("simulated", "shopper 0012", demos="proximal:2"))
    app.session_state["trail"] = [run.key, newer.key]  # as Recommend notes what it shows
    app.run()
    assert app.selectbox[0].value == newer.key
    app.selectbox[0].set_value(run.key).run()
    app.session_state["trail"] = [newer.key]
    app.query_params.clear()
    app.run()
    assert app.selectbox[0].value == run.key, "a pick stays"


def test_what_was_set_outlives_the_page(open_page: Open, store: Store, run: Run) -> None:
    app = open_page("explain")
    app.segmented_control(key="explain-mode").set_value("reprompt").run()
    section(app, "stability")
    app.number_input(key="spread-draws").set_value(32).run()
    app.switch_page("screens/compare/page.py").run()
    app.switch_page("screens/explain/page.py").run()
    assert app.number_input[0].value == 32
    section(app, "effects")
    assert named(app.segmented_control, "explain-mode").value == "reprompt"


def test_without_a_run_it_says_what_to_do(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("explain")
    assert not app.exception
    assert "No run with demonstrations yet" in texts(app)


def test_a_link_to_what_is_not_there_says_so(open_page: Open, run: Run) -> None:
    app = open_page("explain", run="feedface")
    assert not app.exception
    assert "feedface" in texts(app)


def test_effects_can_be_measured_here(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("explain")
    found = rank(store, RunRequest("simulated", "shopper 0012"))
    app.query_params["run"] = found.key
    app.run()
    with FakeEngine(store):
        button(app, "Measure effects").click().run()
        until(app, "Shapley values from the")
    assert not app.exception
    assert runs.effects(store, found.key)


def test_effects_of_another_meaning_stand_beside_the_desks_own(
    open_page: Open, store: Store, run: Run
) -> None:
    with FakeEngine(store):
        app = open_page("explain")
        app.segmented_control(key="explain-mode").set_value("reprompt").run()
        button(app, "Measure effects").click().run()
        until(app, "from the 17 passes of all subsets")
    assert {each.options.get("mode") for each in runs.effects(store, run.key)} == {"direct", "reprompt"}
    desk = open_page()
    assert not desk.exception
    found = outcome_effects(store, run)
    assert found["passes"] == 16, "the desk goes on showing what its weights do"


def outcome_effects(store: Store, run: Run) -> dict[str, Any]:
    """What pages read as the effects of a run."""
    direct = [each for each in runs.effects(store, run.key) if each.options.get("mode", "direct") == "direct"]
    assert effects_of(run.key) == direct[-1].result
    return direct[-1].result


def test_spread_and_forward_tuning_from_the_press_to_the_sentence(
    open_page: Open, store: Store, run: Run
) -> None:
    with FakeEngine(store):
        app = open_page("explain", part="stability")
        button(app, "Run perturbations").click().run()
        until(app, "do not rely on number 4")
        button(app, "Run forward tuning").click().run()
        until(app, "last known interaction, 2 iterations")
        assert not app.exception
        next(each for each in app.segmented_control if each.label == "Perturbation shown").set_value(
            "order"
        ).run()
        assert "Under order <b>x</b> over 16 draws" in read(texts(app))
    kinds = {job.kind: job.payload for job in jobs.listing(store)}
    assert kinds["spread"]["kinds"] == ["weights", "dropout", "order"]
    assert kinds["forward"]["request"] == run.request.to_json()
    again = open_page("explain", part="stability")
    assert "2 iterations" in texts(again), "a result is found again by whoever opens the page"


def test_what_fails_says_why_as_plain_text(open_page: Open, store: Store, run: Run) -> None:
    with FakeEngine(store, errors={"spread": "no <i>luck</i> with $x$"}):
        app = open_page("explain", part="stability")
        button(app, "Run perturbations").click().run()
        until(app, "no <i>luck</i> with $x$")


def test_a_run_of_several_prompts_has_no_effects(open_page: Open, store: Store) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012", prompts=2))
    app = open_page("explain")
    assert "Several prompts" in texts(app)


def test_open_in_recommend_brings_the_runs_own_desk(open_page: Open, store: Store, run: Run) -> None:
    some = [Chosen(view["id"], 0.5) for view in run.result["demonstrations"][:2]]
    other = rank(store, RunRequest("simulated", "shopper 0012", demonstrations=tuple(some)))
    app = open_page("explain", run=other.key)
    button(app, "Open in Recommend").click().run()
    assert not app.exception
    assert [slider.value for slider in app.slider] == [0.5, 0.5]


def test_how_sure_effects_are_is_told_with_their_intervals() -> None:
    assert explain_text.estimator(measured()) == (
        "Shapley values from the 80 passes of some subsets, continued to all others. With 95 % confidence "
        "each effect is right to within 0.02 nats."
    )
    sure = measured(demonstrations=[{"id": "a", "effect": 1.0, "interval": [1.0, 1.0]}], estimator="exact")
    assert explain_text.estimator(sure).endswith("The effects are exact.")
    unknown = measured(demonstrations=[{"id": "a", "effect": 1.0, "interval": None}], estimator="aumann")
    assert explain_text.estimator(unknown).endswith("How far off an effect may be is not known.")


def test_disagreement_names_the_demonstrations_whose_sign_turns() -> None:
    told = explain_text.disagreement(measured(), THREE)
    assert "does not agree with (+0.30)" in told
    assert told.endswith("Opposite signs: number 3 (x).")
    few = {"demonstrations": [1, 2], "spearman_leave_one_out": None}
    assert "Too few" in explain_text.disagreement(few, [])


def test_rows_carry_leaving_out_alone_as_a_mark() -> None:
    rows = explain_text.effect_dots(measured(), THREE)
    assert [(row.mean, row.tick, row.ring) for row in rows][2] == (-0.4, 0.3, None)
    assert [row.colour for row in rows] == ["up", "up", "down"]
    figure: Any = dots(rows, "nats", LIGHT, 0.0)
    notes = [note.text for note in figure.layout.annotations]
    assert "1 &lt;b&gt;A&lt;/b&gt;" in notes
    assert "<b>+1.00</b>" in notes


def test_spread_rows_are_mean_and_deviation() -> None:
    kind = {
        "name": "order",
        "label": "Order",
        "draws": 8,
        "effects": {
            "a": {"mean": 1.0, "std": 0.1, "robust": 0.9},
            "b": {"mean": 0.1, "std": 0.4, "robust": -0.3},
        },
        "total": {"mean": 1.1, "std": 0.4, "robust": 0.7},
    }
    rows = explain_text.spread_dots(kind, {"a": 1.0}, THREE, "margin")
    first = rows[0]
    assert (first.low, first.high, first.tick, first.ring) == (0.9, 1.1, 0.9, 1.0)
    told = explain_text.spread_sentence(kind, THREE, "margin")
    assert told == (
        "Under order over 8 draws, do not rely on number 2 (x): the deviation exceeds half of the effect. "
        "Total effect: +1.10 ± 0.40 log-share, robust +0.70."
    )


def test_the_forward_curve_rings_its_best_pass() -> None:
    curve = fake_engine.forward(4)["curve"]
    figure: Any = forward(curve, LIGHT, curve, 2)
    assert [list(trace.x) for trace in figure.data if len(trace.x) == 1] == [[2], [2]]
    assert figure.data[-1].y[0] == pytest.approx(-0.6)
    heights = sorted(note.y for note in figure.layout.annotations)
    assert len(heights) == 2
    assert all(later - earlier > 0.1 for earlier, later in pairwise(heights))
    assert "9.00, 8.60" in describe(curve)
    told = explain_text.forward_sentence(fake_engine.forward(4))
    assert told == (
        "Chosen on the last known interaction, 2 iterations: the target's loss falls by 0.60 nats; "
        "the target goes from 7th to 5th."
    )
    plain = explain_text.forward_sentence({"curve": curve, "chosen": 0, "chosen_by": "probe"})
    assert plain == (
        "Chosen on the last known interaction, forward tuning is left out. It would have lowered the "
        "target's loss by 0.60 nats."
    )
    assert explain_text.forward_sentence({"curve": curve[:1]}) == "Nothing was iterated."
