"""The Experiments page in every state: form, size, estimate, file, leaderboard; old and broken results."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.experiments import experiment_card, grid_fields, leaderboard_tables
from dashboard.screens.experiments.experiment_text import Experiment, kind, label, size
from db import datasets, jobs, models
from db.experiments import MEASURES
from db.jobs import Job
from db.requests import ExperimentRequest
from db.store import Store
from tests.support import fake_experiment, shop
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, named, read, texts, until

Open = Callable[..., AppTest]
ASKED = ExperimentRequest(
    "simulated",
    users=20,
    demos=("none", "random:4", "neighbours:4"),
    draws=2,
    baselines=("popularity",),
    copies=("copy",),
)


def ended(store: Store, how: str, request: ExperimentRequest = ASKED, **values: Any) -> Job:
    """An experiment that ended `how`; with the result of the real code unless another is given."""
    job = jobs.submit(store, "experiment", request.to_json())
    jobs.claim(store, "me", job_id=job.id)
    if "partial" in values:
        jobs.heartbeat(store, job.id, "me", 0.5, "user 1 of 2", partial=values["partial"])
    if how == "done":
        found = values["result"] if "result" in values else fake_experiment.result(store, request)
        jobs.finish(store, job.id, "me", found)
    elif how == "failed":
        jobs.fail(store, job.id, "me", values["error"])
    elif how == "stopped":
        jobs.stop(store, job.id)
        jobs.release(store, job.id, "me")
    return jobs.get(store, job.id)


def seen(app: AppTest) -> str:
    """Text and tables of the page as a person reads them."""
    return read("\n".join([texts(app), *(each.value.to_string() for each in app.table)]))


def test_an_empty_store_says_what_to_do(open_page: Open, store: Store) -> None:
    app = open_page("experiments")
    assert not app.exception
    assert "No data set yet" in texts(app)


def test_the_empty_page_runs_the_example(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("experiments")
    assert "No experiment yet" in texts(app)
    button(app, "Run the example").click().run()
    assert not app.exception
    [job] = jobs.listing(store, kinds=["experiment"])
    asked = ExperimentRequest.from_json(job.payload)
    assert (asked.dataset, asked.users, asked.draws) == ("simulated", 40, 2)


def test_a_grid_from_form_to_claim(open_page: Open, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store):
        app = open_page("experiments")
        named(app.multiselect, "experiment-demos-strategies").set_value(
            ["none", "random", "neighbours"]
        ).run()
        named(app.multiselect, "experiment-demos-k").set_value(["2", "4"]).run()
        named(app.number_input, "experiment-draws").set_value(3).run()
        assert "5 rows x 100 users, 4 of the rows drawn 3 times: 1,300 lists." in texts(app)
        button(app, "Estimate").click().run()
        until(app, "about 9,000 tokens <b>of</b> prompts.")
        button(app, "Start experiment").click().run()
        until(app, "has the highest NDCG@10")
    assert not app.exception
    [job] = jobs.listing(store, kinds=["experiment"])
    asked = ExperimentRequest.from_json(job.payload)
    assert asked.demos == ("none", "random:2", "random:4", "neighbours:2", "neighbours:4")
    assert (asked.draws, asked.model, job.priority) == (3, ("embedded",), jobs.BACKGROUND)
    assert app.query_params["experiment"] == str(job.id), "a reload keeps the place"
    assert button(app, "Show the stored result"), "an equal grid is not run again unasked"


def test_a_running_experiment_fills_and_can_be_stopped(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "experiment", ASKED.to_json())
    jobs.claim(store, "me")
    jobs.heartbeat(store, job.id, "me", 0.5, "user 1 of 2", partial=fake_experiment.so_far(ASKED, 10))
    app = open_page("experiments")
    assert not app.exception
    assert "NDCG@10 so far" in seen(app)
    assert len(leaderboard_tables.so_far(jobs.get(store, job.id).partial)) == len(ASKED.rows())
    button(app, "Stop experiment").click().run()
    assert jobs.get(store, job.id).stop_asked


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (None, "Ranking"),
        (0, "Ranking"),
        (2.34, "Ranking 2.3 lists a second"),
        (0.05, "Ranking 3.0 lists a minute"),
    ],
)
def test_a_running_experiment_says_how_fast_it_is(store: Store, rate: float | None, words: str) -> None:
    job = jobs.submit(store, "experiment", ASKED.to_json())
    assert experiment_card.working(Experiment(replace(job, partial={"rate": rate}))) == words


@pytest.mark.parametrize("how", ["failed", "stopped"])
def test_what_ended_early_is_resumed(open_page: Open, store: Store, how: str) -> None:
    shop.stock(store)
    partial = fake_experiment.so_far(ASKED, 10)
    job = ended(store, how, partial=partial, error="The <b>model</b> is gone.")
    app = open_page("experiments")
    assert not app.exception
    assert "Resume continues from there" in texts(app)
    assert (how == "failed") == ("The <b>model</b> is gone." in texts(app))
    button(app, "Resume experiment").click().run()
    assert jobs.get(store, job.id).state == jobs.QUEUED


def test_the_answer_marks_controls_and_tests_against_any_row(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = ended(store, "done")
    app = open_page("experiments", experiment=str(job.id))
    assert not app.exception
    said = seen(app)
    assert str((job.result or {})["claim"]) in said
    assert "Controls beside the settings: copy of the demonstrations, baseline." in said
    assert "Draws: of the rows with random choices" in said
    assert "Differences in NDCG@10 from none <b>:x:</b>" in said
    named(app.selectbox, f"experiment-against-{job.id}").set_value("popularity").run()
    assert not app.exception
    assert "Differences in NDCG@10 from popularity <b>:x:</b> (baseline)" in seen(app)
    for measure in Experiment(job).measures():
        named(app.selectbox, f"experiment-measure-{job.id}").set_value(measure).run()
        assert not app.exception, measure


def test_rows_are_sorted_by_any_measure_and_costs_the_other_way(store: Store) -> None:
    shop.stock(store)
    experiment = Experiment(ended(store, "done"))
    assert set(experiment.measures()) <= {*MEASURES, "coverage", "seconds"}
    best = [row["key"] for row in leaderboard_tables.ranked(experiment, "ndcg10")]
    assert "neighbours:4" in best[0]
    cheap = [row["key"] for row in leaderboard_tables.ranked(experiment, "tokens")]
    assert cheap[0] == "none"
    dots, line = leaderboard_tables.dots_of(experiment, "ndcg10", "none")
    colours = {dot.label: dot.colour for dot in dots}
    assert colours["neighbours:4 <b>:x:</b>"] == "up"
    assert colours["none <b>:x:</b> ◆"] == "text"
    assert line == pytest.approx(next(dot.mean for dot in dots if "◆" in dot.label))
    table = leaderboard_tables.table(experiment)
    assert list(table["kind"]).count("setting") == 3
    assert "sd of NDCG@10 over draws" in table.columns
    tested = leaderboard_tables.compared(experiment, "ndcg10", "none")
    assert tested["verdict"].iloc[0] == "better"
    assert len(tested) == len(experiment.rows) - 1


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"claim": "Old."},
        {"rows": [{"key": "none"}, {"nothing": 1}], "claim": "Old."},
        {"rows": [{"key": "none", "measures": {"ndcg10": {"mean": 0.5}}}], "comparisons": None},
        {
            "rows": [{"key": k, "measures": {"ndcg10": {"mean": 0.5, "low": None}}} for k in "ab"],
            "comparisons": {"ndcg10": {"a": {"b": {"mean": 0.1, "low": None, "high": None, "p": None}}}},
        },
    ],
)
def test_a_result_of_another_version_is_shown_as_far_as_it_goes(
    open_page: Open, store: Store, result: dict[str, Any]
) -> None:
    shop.stock(store)
    ended(store, "done", result=result)
    app = open_page("experiments")
    assert not app.exception
    assert not app.error


def test_what_this_version_cannot_read_is_still_listed(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "experiment", {"dataset": "gone <b>", "demos": ["magic:4"], "new": 1})
    app = open_page("experiments")
    assert not app.exception
    assert "Another version asked for this" in texts(app)
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", {"claim": "Old."})
    app = open_page("experiments")
    assert not app.exception


def test_data_set_and_model_may_be_gone(open_page: Open, store: Store) -> None:
    shop.stock(store)
    ended(store, "done")
    datasets.delete(store, "simulated")
    for model in models.listing(store):
        models.delete(store, model.name)
    app = open_page("experiments")
    assert not app.exception
    assert "has the highest NDCG@10" in texts(app)


def test_a_grid_is_varied_in_the_form(open_page: Open, store: Store) -> None:
    shop.stock(store)
    request = ExperimentRequest(
        "simulated", users=7, demos=("none", "bm25:2", "random:2", "random:300t"), history=(5, 7), seed=3
    )
    ended(store, "done", request)
    app = open_page("experiments")
    button(app, "Vary").click().run()
    assert not app.exception
    assert "8 rows x 7 users: 56 lists." in texts(app)
    button(app, "Show the stored result").click().run()
    assert not app.exception


def test_parts_and_expanded_are_one_and_the_same() -> None:
    for demos in (("none", "random:4", "bm25:4"), ("random:2", "random:8"), ("none",)):
        strategies, counts, stored, rest = grid_fields.parts(demos)
        assert grid_fields.expanded(strategies, counts, stored) == demos
        assert rest == []
    odd = ("none", "random:2", "bm25:4", "bm25:300t", "set:good", "set:good@0123456789abcdef")
    strategies, counts, stored, rest = grid_fields.parts(odd)
    assert sorted((*grid_fields.expanded(strategies, counts, stored), *rest)) == sorted(odd)
    assert stored == ["good"]


def test_a_grid_that_cannot_be_is_refused_in_a_sentence(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("experiments")
    named(app.multiselect, "experiment-demos-strategies").set_value([]).run()
    assert not app.exception
    assert "demos: name one value at least." in texts(app)


def test_size_counts_what_the_engine_lays_out() -> None:
    assert size(ASKED) == "6 rows x 20 users, 4 of the rows drawn 2 times: 200 lists."
    assert size(replace(ASKED, skip=20)).startswith(
        "6 rows x 20 users after the first 20 drawn, 4 of the rows"
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"key": "a", "label": "A"}, "A"),
        ({"key": "p", "label": "popularity", "kind": "baseline"}, "popularity (baseline)"),
        ({"key": "c", "label": "copy the answers: A", "kind": "copy"}, "copy the answers: A"),
        ({"key": "o", "label": "ours", "kind": "outside"}, "ours (other system)"),
        ({"key": "x", "label": "B", "kind": "model", "values": {"demos": "placebo:4"}}, "B (placebo)"),
    ],
)
def test_controls_say_what_they_are(row: dict[str, Any], words: str) -> None:
    assert label(row) == words
    assert bool(kind(row)) == (row["key"] != "a")
