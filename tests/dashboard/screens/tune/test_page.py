"""The Tune page: what it files, what it shows of every state a tuning can be in, and where it leads."""

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from dashboard.screens.tune import curve_chart
from dashboard.screens.tune.tuning_text import (
    ANSWERS,
    RANKS,
    Tuning,
    numbers,
    recipe,
    sentence,
)
from dashboard.ui.theme import DARK, LIGHT
from db import datasets, jobs, models, schema
from db.jobs import Job
from db.models import ModelInfo
from db.requests import TuneRequest
from db.store import Store
from tests.support import fake_tuning, shop
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, later, read, texts

Open = Callable[..., AppTest]


def filed(store: Store, dataset: str = "simulated", **options) -> Job:
    """A tuning in the queue."""
    payload = TuneRequest(dataset, **options).to_json()
    return jobs.submit(store, "tune", payload, jobs.BACKGROUND)


def claimed(store: Store, job: Job, upto: int | None = None) -> Job:
    """The job as its engine has it after so many points."""
    found = jobs.claim(store, "me", job_id=job.id)
    assert found is not None
    if upto is not None:
        jobs.heartbeat(
            store, job.id, "me", upto / 8, f"step {upto}", partial=fake_tuning.so_far(job.payload, upto)
        )
    return jobs.get(store, job.id)


def done(store: Store, job: Job) -> Job:
    """The job at its end, its model registered."""
    claimed(store, job)
    result = fake_tuning.result(job.payload)
    jobs.finish(store, job.id, "me", result)
    if result["model"]:
        models.register(store, ModelInfo(result["model"], "tunings/x", "r1", "Toy", 1000, 128))
    return jobs.get(store, job.id)


def heads(app: AppTest) -> list[str]:
    """The title of the tuning that the right card shows."""
    return [read(each.value) for each in app.subheader if read(each.value) != "In one sentence"][1:2]


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_an_empty_store_says_what_to_do(open_page: Open, store: Store) -> None:
    app = open_page("tune")
    assert not app.exception
    assert "No data set yet" in texts(app)


def test_nothing_tuned_yet(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("tune")
    assert not app.exception
    assert "No tuning yet" in texts(app)
    assert "Trains embedded for at most 10 min" in texts(app)


def test_start_files_a_background_job_with_the_defaults(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("tune")
    button(app, "Start tuning").click().run()
    job = jobs.listing(store, kinds=["tune"])[0]
    assert (job.kind, job.priority) == ("tune", jobs.BACKGROUND)
    assert TuneRequest.from_json(job.payload) == TuneRequest("simulated", name="simulated-recicl")
    assert "waiting for the engine to start" in texts(app)
    button(app, "Start tuning").click().run()
    assert len(jobs.listing(store, kinds=["tune"])) == 1, "an equal tuning is not filed twice"


def test_every_choice_reaches_the_job(open_page: Open, store: Store) -> None:
    shop.stock(store)
    models.register(store, ModelInfo("other", "models/other", "r1", "Toy", 1000, 128))
    app = open_page("tune")
    app.selectbox(key="tune-base").set_value("other")
    app.selectbox(key="tune-until").set_value(4)
    app.number_input(key="tune-minutes").set_value(2.5)
    app.number_input(key="tune-demos").set_value(2)
    app.number_input(key="tune-seed").set_value(7)
    app.text_input(key="tune-name").set_value("mine")
    app.selectbox(key="tune-method").set_value("lora")
    app.selectbox(key="tune-answers").set_value("yes_no").run()
    assert "on the first 4 of 10 periods of time" in texts(app)
    button(app, "Start tuning").click().run()
    assert TuneRequest.from_json(jobs.listing(store, kinds=["tune"])[0].payload) == TuneRequest(
        "simulated",
        base="other",
        until=4,
        minutes=2.5,
        demos=2,
        seed=7,
        name="mine",
        method="lora",
        answers="yes_no",
    )


@pytest.mark.parametrize("rated", [True, False])
def test_answers_by_rating_are_offered_where_there_are_ratings(
    open_page: Open, store: Store, rated: bool
) -> None:
    shop.stock(store)
    info = datasets.get(store, "simulated")
    with store.write() as connection:
        change = sa.update(schema.datasets).where(schema.datasets.c.id == info.id)
        connection.execute(change.values(has_ratings=rated))
    app = open_page("tune")
    assert ("Yes or No by rating" in app.selectbox(key="tune-answers").options) is rated


def test_another_tuning_gets_a_name_of_its_own_and_an_equal_one_is_found_again(
    open_page: Open, store: Store
) -> None:
    shop.stock(store)
    first = done(store, filed(store, name="simulated-recicl"))
    app = open_page("tune")
    assert "The model will be called simulated-recicl." in texts(app)
    app.number_input(key="tune-minutes").set_value(20.0).run()
    assert "The model will be called simulated-recicl-2." in texts(app)
    button(app, "Start tuning").click().run()
    assert jobs.listing(store, kinds=["tune"])[0].payload == {
        **first.payload,
        "minutes": 20.0,
        "name": "simulated-recicl-2",
    }


@pytest.mark.parametrize(
    ("what", "kind", "layout"),
    [("single", "llm", "single"), ("sasrec", "sasrec", "recicl"), ("popularity", "popularity", "recicl")],
)
def test_what_is_trained(open_page: Open, store: Store, what: str, kind: str, layout: str) -> None:
    shop.stock(store)
    app = open_page("tune")
    app.selectbox(key="tune-what").set_value(what).run()
    assert not [each for each in app.number_input if each.key == "tune-demos"], "no demonstrations to count"
    button(app, "Start tuning").click().run()
    request = TuneRequest.from_json(jobs.listing(store, kinds=["tune"])[0].payload)
    assert (request.kind, request.layout) == (kind, layout)


def test_data_without_times_have_no_periods(open_page: Open, store: Store) -> None:
    shop.stock(store, timestamps=False)
    app = open_page("tune")
    assert len(app.selectbox(key="tune-until").options) == 1


def test_a_running_tuning_shows_what_it_has_and_can_be_stopped(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = claimed(store, filed(store, minutes=30.0), upto=4)
    app = open_page("tune")
    assert not app.exception
    assert metrics(app)["Best on held-out"] == "3.725"
    assert metrics(app)["Speed"] == "10,667/s"
    assert "fell from 5.300 to 3.725 nats per token" in texts(app)
    button(app, "Stop").click().run()
    assert jobs.get(store, job.id).stop_asked
    assert button(app, "Stop").disabled


def test_a_running_tuning_without_any_number_yet(open_page: Open, store: Store) -> None:
    shop.stock(store)
    claimed(store, filed(store))
    app = open_page("tune")
    assert not app.exception
    assert "No point yet" in texts(app)
    assert metrics(app)["Best on held-out"] == "–"


def test_from_start_to_recommend(open_page: Open, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store, {"tune point": 0.02}):
        app = open_page("tune")
        button(app, "Start tuning").click().run()
        later(app, lambda: any(each.label == "Open in Recommend" for each in app.button), "the end")
    assert not app.exception
    assert "It ended because the time was up." in texts(app)
    button(app, "Open in Recommend").click().run()
    assert (
        app.query_params["model"] == ["simulated-recicl"] or app.query_params["model"] == "simulated-recicl"
    )
    assert app.query_params["user"]


def test_a_tuning_that_a_command_filed_is_shown(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("tune")
    assert "No tuning yet" in texts(app)
    claimed(store, filed(store, layout="single"), upto=2)
    app.run()
    assert "fell from 5.300 to 4.250" in texts(app)


def test_a_model_that_was_removed_is_not_opened(open_page: Open, store: Store) -> None:
    shop.stock(store)
    done(store, filed(store))
    models.delete(store, "simulated-recicl")
    app = open_page("tune")
    button(app, "Open in Recommend").click().run()
    assert any("was removed. Restore it" in read(each.value) for each in app.error)


def test_a_stopped_tuning_goes_on(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = claimed(store, filed(store), upto=3)
    jobs.stop(store, job.id)
    jobs.release(store, job.id, "me")
    app = open_page("tune")
    assert "it resumes from its last checkpoint" in texts(app)
    button(app, "Resume").click().run()
    (resumed,) = jobs.listing(store, kinds=["tune"])
    assert (resumed.id, resumed.state) == (job.id, jobs.QUEUED)
    assert resumed.partial is not None
    assert len(resumed.partial["curve"]) == 3


def test_a_link_opens_its_tuning_and_the_navigation_keeps_it(open_page: Open, store: Store) -> None:
    shop.stock(store)
    old = claimed(store, filed(store, layout="single"), upto=3)
    new = claimed(store, filed(store), upto=5)
    assert heads(open_page("tune")) == [Tuning(new).title], "two run: the one filed last"
    app = open_page("tune", tuning=str(old.id))
    assert heads(app) == [Tuning(old).title]
    app.run()
    links = [each.proto.query_string for each in app.sidebar.get("page_link")]
    assert f"tuning={old.id}" in links
    app.query_params["tuning"] = str(new.id)  # as a click on Back does
    assert heads(app.run()) == [Tuning(new).title]


def test_a_link_to_a_tuning_that_is_not_there_says_so(open_page: Open, store: Store) -> None:
    shop.stock(store)
    claimed(store, filed(store), upto=5)
    other = jobs.submit(store, "rank", {})
    for number in ("99", str(other.id)):
        app = open_page("tune", tuning=number)
        assert not app.exception
        assert f"the store holds no tuning {number}" in texts(app)
    assert not open_page("tune", tuning="<b>").exception


def test_start_puts_the_tuning_into_the_address(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("tune")
    button(app, "Start tuning").click().run()
    (job,) = jobs.listing(store, kinds=["tune"])
    assert app.query_params["tuning"] in (str(job.id), [str(job.id)])


def test_a_failed_tuning_says_why_literally(open_page: Open, store: Store) -> None:
    shop.stock(store, name="<b>shop</b> :smile:")
    models.register(store, ModelInfo("broken", "models/broken", "r1", "Toy", 1000, 128))
    filed(store, "<b>shop</b> :smile:", base="broken", name="**bold** $x$ :red[no]")
    with FakeEngine(store):
        deadline = time.monotonic() + 120
        while jobs.listing(store, kinds=["tune"])[0].state != jobs.ERROR and time.monotonic() < deadline:
            time.sleep(0.05)
    app = open_page("tune")
    assert not app.exception
    assert any("<b>broken</b> has no weights: :smile: $x$" in read(each.value) for each in app.error)
    assert "**bold** $x$ :red[no]" in texts(app)
    table = next(each.value for each in app.dataframe if "tuning" in each.value.columns)
    assert list(table["data set"]) == ["<b>shop</b> :smile:"]
    assert list(table["state"]) == ["failed"]


def test_conventional_recommenders_are_shown_without_a_model(open_page: Open, store: Store) -> None:
    shop.stock(store)
    done(store, filed(store, kind="sasrec"))
    app = open_page("tune")
    assert not app.exception
    assert "NDCG over the whole catalogue on held-out interactions rose from 0.200 to 0.340" in texts(app)
    assert "its list is under Other lists on Recommend" in texts(app)
    button(app, "Open in Recommend").click().run()
    assert not app.exception
    assert app.query_params["data"] == "simulated"
    done(store, filed(store, kind="itemknn"))
    app = open_page("tune")
    assert "It was fitted in 0.42 s, on interactions before each target's moment." in texts(app)


def test_the_recipe_lists_settings_once_and_literally(store: Store) -> None:
    shop.stock(store)
    tuning = Tuning(done(store, filed(store, name="<i>x</i>")))
    table = recipe(tuning)
    rows = dict(zip(table["setting"], table["value"], strict=True))
    assert rows["name"] == "<i>x</i>"
    assert rows["learning rate"] == "0.0003"
    assert rows["samples"] == "4321"
    assert len(rows) == len(table)


def test_a_job_of_an_older_engine_is_shown_as_far_as_it_can_be(open_page: Open, store: Store) -> None:
    info = shop.stock(store)
    jobs.submit(store, "tune", {"dataset": "simulated", "colour": "blue"}, jobs.BACKGROUND)
    job = jobs.claim(store, "me")
    assert job is not None
    odd = {"curve": [{"step": 0}, {"tokens": 10, "validation": None}], "best": None}
    jobs.finish(store, job.id, "me", odd)
    datasets.delete(store, info.name)
    app = open_page("tune")
    assert not app.exception
    assert "It ended before anything was measured." in texts(app)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("measure", [ANSWERS, RANKS])
@pytest.mark.parametrize("upto", [1, 2, 8])
def test_the_curve_rings_the_best_and_names_its_lines(palette, measure, upto: int) -> None:
    points = fake_tuning.curve(upto, ranks=measure is RANKS)
    figure = curve_chart.curve(points, measure, palette)
    training, held_out, ring = figure.data
    assert len(held_out.x) == upto
    assert len(training.x) == (upto if measure is RANKS else upto - 1), "before the first step: no loss"
    assert ring.y[0] == (min if measure.less_is_better else max)(held_out.y)
    assert held_out.line.color == palette.up
    named = [note.text for note in figure.layout.annotations]
    assert any(measure.validation in text for text in named)
    places = sorted(note.y for note in figure.layout.annotations)
    assert len(places) < 2 or (places[1] - places[0]) * curve_chart.HEIGHT_PX > 20, "labels do not overlap"
    assert measure.validation in curve_chart.describe(points, measure)


def test_a_tuning_that_never_got_better_says_so(store: Store) -> None:
    shop.stock(store)
    job = claimed(store, filed(store))
    worse = [{"step": at, "tokens": 10 * at, "seconds": at, "validation": 3.0 + at} for at in range(3)]
    jobs.finish(store, job.id, "me", {"curve": worse, "seconds": 2.0, "model": "m"})
    tuning = Tuning(jobs.get(store, job.id))
    assert "has not become better than 3.000" in sentence(tuning)
    assert numbers(tuning)[0][1] == "3.000"


def test_a_change_too_small_to_show_is_no_fall(store: Store) -> None:
    shop.stock(store)
    job = claimed(store, filed(store))
    flat = [{"step": at, "tokens": 10 * at, "seconds": at, "validation": 3.0 - at / 1e5} for at in range(3)]
    jobs.finish(store, job.id, "me", {"curve": flat, "seconds": 2.0, "model": "m"})
    assert "has stayed at 3.000 nats per token" in sentence(Tuning(jobs.get(store, job.id)))


def test_what_was_measured_before_the_first_step_is_no_result_of_training(store: Store) -> None:
    shop.stock(store)
    tuning = Tuning(claimed(store, filed(store), upto=1))
    assert sentence(tuning) == "Before the training, the loss on held-out answers was 5.300 nats per token."
