"""The Recommend page against a small shop: every state a person can meet."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend import desk, history, lists_card
from dashboard.state import live, outcome, waiting
from db import datasets, guided, jobs, models, runs
from db.requests import Chosen, RunRequest, request_digest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, pool, rank
from tests.support.reading import button, later, read, texts, until

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    effects(store, run)
    return store


def test_an_empty_store_offers_the_set_up(open_page: Open, store: Store) -> None:
    app = open_page()
    assert not app.exception
    assert "No data set yet" in texts(app)
    button(app, "Set up the simulated store").click().run()
    assert [job.kind for job in jobs.listing(store)] == ["setup"]
    assert "waiting for the engine to start" in texts(app)
    assert "What stands here then" in texts(app), "the wait shows what comes"


def test_a_set_up_that_failed_says_why(open_page: Open, store: Store) -> None:
    job = jobs.submit(store, "setup", {})
    jobs.claim(store, "me")
    jobs.fail(store, job.id, "me", "The disk is <b>full</b>.")
    assert "The disk is <b>full</b>." in texts(open_page())


def test_a_page_that_was_open_during_the_set_up_opens_on_the_run_it_ends_with(
    open_page: Open, store: Store
) -> None:
    """Not on another user of the data set, which is there before any run, nor on the guided start's."""
    job = jobs.submit(store, "setup", {})
    jobs.claim(store, "me")
    shop.stock(store)
    app = open_page()
    assert "Setting up" in texts(app)
    for_the_tour = rank(store, RunRequest("simulated", "shopper 0007"))
    assert "Setting up" in texts(app.run()), "it gets its tag only once the other one is there"
    runs.annotate(store, for_the_tour.key, tags=[guided.TAG])
    assert "Setting up" in texts(app.run())
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    jobs.finish(store, job.id, "me", {})
    app.run()
    assert app.query_params["user"] == "shopper 0012"
    assert "In one sentence" in texts(app)


def test_it_opens_on_the_newest_run(open_page: Open, stocked: Store) -> None:
    app = open_page()
    assert not app.exception
    assert app.query_params["user"] == "shopper 0012"
    assert {metric.label for metric in app.metric} >= {"Target's rank", "Total effect", "Time"}
    assert "first computed" in texts(app)
    assert "In one sentence" in texts(app)
    assert not jobs.listing(stocked), "a stored result needs no job"


def test_a_link_reopens_weights_and_order(open_page: Open, stocked: Store) -> None:
    first, second = (view["id"] for view in pool(stocked, RunRequest("simulated", "shopper 0012"))[:2])
    request = RunRequest(
        "simulated", "shopper 0012", demonstrations=(Chosen(second, 0.5), Chosen(first, 2.0))
    )
    rank(stocked, request)
    app = open_page(**LINK, set=f"{second}*0.5,{first}*2")
    assert not app.exception
    assert [slider.value for slider in app.slider] == [0.5, 2.0]
    assert app.slider[0].key == f"weight-{second}"
    assert app.query_params["set"] == f"{second}*0.5,{first}*2"


def test_a_changed_weight_is_ranked_and_measured_again(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        button(app, "Run").click().run()
        app.slider[0].set_value(2.0).run()
        later(app, lambda: len(runs.listing(stocked)) == 2, "the second run")
        newest = runs.by_key(stocked, runs.listing(stocked)[0].key)
        assert newest is not None
        later(app, lambda: runs.effects(stocked, newest.key), "its effects")
    assert not app.exception
    assert [each.weight for each in newest.request.demonstrations or ()] == [2.0, 1.0, 1.0, 1.0]
    assert "*2," in app.query_params["set"]


def test_the_engine_computes_while_the_page_is_drawn(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed: list[list[str]] = []
    drawn = history.timeline

    def timeline(*given: Any) -> Any:
        filed.append([job.kind for job in jobs.listing(stocked)])
        return drawn(*given)

    monkeypatch.setattr(history, "timeline", timeline)
    app = open_page(**LINK)
    app.slider[0].set_value(2.0).run()
    assert filed == [[], ["rank"]]
    assert [job.kind for job in jobs.listing(stocked)] == ["rank"]


def test_the_total_follows_the_list_before_the_effects_are_measured(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: steps.append(name) or function(*given)

    monkeypatch.setattr(lists_card, "total_effect", noting("total", lists_card.total_effect))
    monkeypatch.setattr(outcome, "measure", noting("measure", outcome.measure))
    app = open_page(**LINK)
    assert steps == ["measure", "total"], "stored effects are shown at once"
    with FakeEngine(stocked, {"effects": HELD}):
        app.slider[0].set_value(2.0).run()
        later(app, lambda: len(runs.listing(stocked)) == 2, "the second run")
        steps.clear()
        app.run()
    assert steps == ["total", "measure", "total"]
    assert len([metric for metric in app.metric if metric.label == "Total effect"]) == 1


def test_nothing_is_computed_before_run_is_pressed(open_page: Open, stocked: Store) -> None:
    app = open_page(**{**LINK, "user": "shopper 0003"})
    assert "Not ranked yet" in texts(app)
    assert "? next purchase" in texts(app)
    assert not jobs.listing(stocked)


def test_run_without_an_engine_waits_in_the_queue_and_says_so(open_page: Open, stocked: Store) -> None:
    app = open_page(**{**LINK, "user": "shopper 0003"})
    button(app, "Run").click().run()
    assert "waiting for the engine to start" in texts(app)
    assert "no engine" in texts(app)
    assert [job.kind for job in jobs.listing(stocked)] == ["rank"]


def test_a_failed_job_is_told_as_plain_text_and_not_repeated(open_page: Open, stocked: Store) -> None:
    app = open_page(**{**LINK, "user": "shopper 0003"})
    button(app, "Run").click().run()
    job = jobs.claim(stocked, "me")
    assert job is not None
    jobs.fail(stocked, job.id, "me", "Out of memory at <b>layer 3</b>: use $DUALENS_DEVICE and :smile:")
    app.run()
    app.run()
    assert len(jobs.listing(stocked)) <= 2
    assert any("<b>layer 3</b>" in read(error.value) for error in app.error)


def test_drop_and_reorder(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    before = [slider.key for slider in app.slider]
    name = before[1].removeprefix("weight-")
    app.button(key=f"up-{name}").click().run()
    assert [slider.key for slider in app.slider] == [before[1], before[0], *before[2:]]
    app.button(key=f"drop-{name}").click().run()
    assert [slider.key for slider in app.slider] == [before[0], *before[2:]]
    assert name not in app.query_params["set"]


def test_fill_by_none_empties_the_desk(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    app.selectbox(key="fill-name").set_value("none")
    app.button(key="fill-go").click().run()
    assert app.query_params["set"] == "none"
    assert "No demonstrations" in texts(app)
    assert not app.slider


def test_a_strategy_that_chose_none_says_so(open_page: Open, stocked: Store) -> None:
    rank(stocked, RunRequest("simulated", "shopper 0012", demos="twostage:0"))
    app = open_page(**LINK, demos="twostage:0")
    assert not app.exception
    assert "It chose none for this user" in texts(app)


def test_a_token_budget_and_several_prompts_are_asked_for(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    app.segmented_control(key="fill-unit").set_value("tokens").run()
    app.number_input(key="fill-tokens").set_value(200).run()
    app.number_input(key="fill-prompts").set_value(3).run()
    app.button(key="fill-go").click().run()
    assert not app.exception
    assert (app.query_params["demos"], app.query_params["prompts"]) == ("neighbours:200t", "3")
    [job] = jobs.listing(stocked, kinds=["rank"])
    request = RunRequest.from_json(job.payload["request"])
    assert (request.demos, request.prompts) == ("neighbours:200t", 3)


def test_edits_hints_and_reading_again_are_part_of_the_question(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    app.multiselect(key="pick-perturb").set_value(["ridge", "order"]).run()
    app.number_input(key="pick-forward").set_value(2).run()
    app.selectbox(key="pick-hint").set_value("bm25").run()
    button(app, "Run").click().run()
    assert not app.exception
    asked = jobs.listing(stocked, kinds=["rank"])[0].payload["request"]
    assert (asked["perturb"], asked["forward"], asked["hint"]) == ("ridge:0.2+order", 2, "bm25")


def test_surprise_me_picks_another_user_and_ranks(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        button(app, "Surprise me").click().run()
        later(app, lambda: len(runs.listing(stocked)) == 2, "the second run")
    assert runs.listing(stocked)[0].user_id == app.query_params["user"]


def test_links_to_what_is_not_there_say_so(open_page: Open, stocked: Store) -> None:
    for params, told in (
        ({**LINK, "user": "nobody"}, "nobody"),
        ({**LINK, "data": "nowhere"}, "nowhere"),
        ({**LINK, "model": "gone"}, "gone"),
        ({**LINK, "set": "feedfacefeedface*1"}, "feedfacefeedface"),
        ({**LINK, "n": "many"}, "many"),
    ):
        app = open_page(**params)
        assert not app.exception, params
        assert told in texts(app), params


def test_a_deleted_run_in_a_link_can_be_run_again(open_page: Open, stocked: Store) -> None:
    run = runs.by_request(stocked, request_digest(stocked, RunRequest("simulated", "shopper 0012")))
    assert run is not None
    runs.delete(stocked, run.key)
    app = open_page(**LINK)
    assert not app.exception
    assert "Not ranked yet" in texts(app)


def test_no_model_is_explained(open_page: Open, stocked: Store) -> None:
    for model in models.listing(stocked):
        models.delete(stocked, model.name)
    app = open_page(**LINK)
    assert not app.exception
    assert "no model yet" in texts(app)


def test_hostile_titles_are_shown_literally(open_page: Open, store: Store) -> None:
    info = shop.stock(store, titles=shop.HOSTILE)
    run = rank(store, RunRequest("simulated", "shopper 0000", demos="neighbours:2"))
    effects(store, run)
    app = open_page(data="simulated", user="shopper 0000", model="embedded")
    assert not app.exception
    past = datasets.history(store, info.id, 0)
    assert "1. first 2. second" in texts(app)
    assert any("(no title)" in text for text in texts(app).split("\n"))
    assert len(past) == len(shop.HOSTILE)
    for block in [*app.markdown, *app.caption]:
        assert not block.allow_html


def test_other_lists_are_asked_for_when_they_are_opened(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        assert not jobs.listing(stocked, kinds=["peers", "catalogue"])
        app.button(key="beside").click().run()
        until(app, "The model ranks")
        assert not app.exception
        assert "item-kNN" in texts(app)
        assert "sasrec has <b>not</b> been fitted" in texts(app)
    assert [job.kind for job in jobs.listing(stocked, kinds=["peers", "catalogue"])] == ["peers"]


def test_other_lists_that_fail_say_why(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked, errors={"peers": "no <i>luck</i> with $x$"}):
        app = open_page(**LINK)
        app.button(key="beside").click().run()
        assert "no <i>luck</i> with $x$" in texts(app)


@pytest.mark.parametrize(
    "said",
    [
        {"demos": "neighbours:24"},
        {"demos": "neighbours:0"},
        {"demos": "neighbours:5t"},
        {"demos": ":5t"},
        {"demos": "neighbours:64"},
        {"demos": "nobody:3"},
    ],
    ids=lambda said: said["demos"],
)
def test_every_strategy_a_link_may_name_opens_the_desk(
    open_page: Open, stocked: Store, said: dict[str, str]
) -> None:
    app = open_page(**LINK, **said)
    assert not app.exception
    button(app, "Run").click().run()
    assert not app.exception
    asked = [
        RunRequest.from_json(job.payload["request"]).demos for job in jobs.listing(stocked, kinds=["rank"])
    ]
    if said["demos"].startswith("neighbours"):
        assert asked == [said["demos"]]
    else:
        assert asked == [], "the default, which is stored"
        assert "cannot be used here; neighbours:4 is shown instead" in texts(app)


def test_a_demonstration_the_store_does_not_know_does_not_block_the_link(
    open_page: Open, stocked: Store
) -> None:
    known = pool(stocked, RunRequest("simulated", "shopper 0012"))[0]["id"]
    app = open_page(**LINK, set=f"nosuch*1,{known}*0.5")
    assert "Demonstration 'nosuch' is not in the store" in texts(app)
    with FakeEngine(stocked):
        button(app, "Run").click().run()
        until(app, "In one sentence")
    assert app.query_params["set"] == f"{known}*0.5"
    assert [slider.value for slider in app.slider] == [0.5]


def test_another_data_set_begins_with_a_user(open_page: Open, stocked: Store) -> None:
    shop.stock(stocked, name="second")
    with FakeEngine(stocked):
        app = open_page(**LINK)
        app.selectbox(key="pick-dataset").set_value("second").run()
        until(app, "In one sentence")
    assert not app.exception
    assert app.query_params["data"] == "second"
    assert app.query_params["user"]


def test_the_first_move_on_a_link_keeps_the_list(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        app.slider[0].set_value(2.0).run()
        assert "Not ranked yet" not in texts(app)
        until(app, "In one sentence")
    assert runs.listing(stocked)[0].request.demonstrations is not None


def test_looking_at_the_options_changes_nothing(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK, scoring="mean", seed="7", history="5")
    button(app, "Run").click().run()
    assert app.selectbox(key="pick-scoring").value == "mean"
    assert app.number_input(key="pick-history").value == 5
    assert app.number_input(key="pick-seed").value == 7
    for _ in range(3):
        app.run()
    said = {name: app.query_params[name] for name in ("scoring", "seed", "history")}
    assert said == {"scoring": "mean", "seed": "7", "history": "5"}


def test_widgets_carry_what_they_show_as_their_default(open_page: Open, stocked: Store) -> None:
    """A browser that mounts a widget late takes the default; session state may not reach it any more."""
    view = pool(stocked, RunRequest("simulated", "shopper 0012"))[0]
    link = {**LINK, "set": f"{view['id']}*0.4", "scoring": "mean", "seed": "7", "history": "5"}
    app = open_page(**link, cands="100")
    assert [slider.proto.default[:] for slider in app.slider] == [[0.4]]
    assert not any(slider.proto.set_value for slider in app.slider)
    for name, value in (("pick-history", 5), ("pick-seed", 7)):
        proto = app.number_input(key=name).proto
        assert (proto.default, proto.set_value) == (value, False)
    for box in app.selectbox:
        assert not box.proto.set_value, box.key
        assert box.proto.options[box.proto.default] == str(box.options[box.index]), box.key


def test_a_superseded_ranking_is_dropped(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WANTED_S", 600.0)  # however long the page takes on a busy machine
    monkeypatch.setattr(live.Watch, "_leave", lambda _: set())  # between two runs a test's page seems closed
    app = open_page(**{**LINK, "user": "shopper 0003"})
    button(app, "Run").click().run()
    [first] = jobs.listing(stocked, kinds=["rank"])
    app.number_input(key="pick-history").set_value(7).run()
    assert len(jobs.listing(stocked, kinds=["rank"])) == 2
    time.sleep(jobs.GRACE_S + 0.1)
    claimed = jobs.claim(stocked, "me", kinds=["rank"])
    assert claimed is not None
    assert claimed.payload["request"]["history"] == 7
    assert jobs.get(stocked, first.id).dropped


def test_of_a_long_history_the_newest_items_are_read(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = datasets.get(stocked, "simulated")
    user = datasets.user(stocked, info.id, LINK["user"])
    monkeypatch.setattr(history, "READ", 3)
    past = history.newest(stocked, info, user)
    assert [row.position for row in past] == [user.length - 3, user.length - 2, user.length - 1]
    app = open_page(**LINK)
    assert not app.exception
    assert f"of {user.length - 1} enter the prompt" in texts(app)
    assert app.dataframe[0].value[""].tolist()[-1] == "target"


@pytest.mark.parametrize("known", [True, False])
def test_a_stored_list_is_drawn_before_the_desk_and_a_desk_before_a_wait(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """What is there is sent first; where nothing is, no slider waits for an answer."""
    drawn: list[str] = []
    for name, module in (("board", lists_card), ("timeline", history), ("start", desk)):
        usual = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, of=usual, named=name: (drawn.append(named), of(*a))[1])
    app = open_page(**(LINK if known else {**LINK, "user": "shopper 0003"}))
    drawn.clear()
    with FakeEngine(stocked):
        button(app, "Run").click().run()
    assert not app.exception
    last = ["board", "timeline", "start"] if known else ["timeline", "start", "board"]
    assert drawn[:3] == last


def test_only_what_is_waited_for_turns_pale(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark that comes and goes at once makes the browser draw twice."""
    marked: list[str] = []
    usual = DeltaGenerator.html

    def html(place: DeltaGenerator, body: Any, **how: Any) -> Any:
        marked.extend(re.findall(r'class="((?:old|gone)-[a-z]+)"', str(body)))
        return usual(place, body, **how)

    monkeypatch.setattr(DeltaGenerator, "html", html)
    app = open_page(**LINK)
    assert not app.exception
    with FakeEngine(stocked):
        button(app, "Run").click().run()
        marked.clear()
        app.slider[0].set_value(0.5).run()
        assert marked == ["old-desk", "old-list"]
        marked.clear()
        app.run()
        assert not app.exception
        assert marked == []
