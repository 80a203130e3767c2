"""Curating by hand: undo and redo of whatever changes the desk, locks, and sets under a name."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from db import datasets, jobs, runs, sets
from db.requests import RunRequest
from db.sets import Member, NamedSet
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, pool, rank
from tests.support.reading import button, later, named, texts

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}
OTHER = {**LINK, "user": "shopper 0003"}


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    return store


def on_desk(app: AppTest) -> list[tuple[str, float]]:
    """Ids and weights of the demonstrations on the desk."""
    names = [str(slider.key).removeprefix("weight-").partition("~")[0] for slider in app.slider]
    return list(zip(names, [float(slider.value) for slider in app.slider], strict=True))


def pressed(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def saved(store: Store, user: str | None = None, name: str = "good ones", **locked: bool) -> NamedSet:
    """A set of two demonstrations of shopper 0012's pool."""
    info = datasets.get(store, "simulated")
    first, second = (view["id"] for view in pool(store, RunRequest("simulated", "shopper 0012"))[:2])
    return sets.save(store, info, name, [Member(second, 0.5), Member(first, 2.0, **locked)], user)


def test_every_change_of_the_desk_can_be_undone_and_redone(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    assert app.button(key="undo").disabled
    assert app.button(key="redo").disabled
    states = [on_desk(app)]
    names = [name for name, _ in states[0]]
    with FakeEngine(stocked):
        app.slider[0].set_value(2.0).run()
        states.append(on_desk(app))
        pressed(app, f"down-{names[0]}")
        states.append(on_desk(app))
        pressed(app, f"drop-{names[1]}")
        states.append(on_desk(app))
        app.selectbox(key="fill-name").set_value("proximal").run()
        pressed(app, "fill-go")
        later(app, lambda: len(app.slider) == 2, "the rows of the strategy")
        states.append(on_desk(app))
        pressed(app, "desk-clear")
        states.append([])
        assert [len(state) for state in states] == [4, 4, 4, 3, 2, 0]
        for state in states[-2::-1]:
            pressed(app, "undo")
            later(app, lambda state=state: on_desk(app) == state, f"{state} again")
        assert app.button(key="undo").disabled
        for state in states[1:]:
            pressed(app, "redo")
            later(app, lambda state=state: on_desk(app) == state, f"{state} once more")
        assert app.button(key="redo").disabled
    assert not app.exception


def test_a_new_change_ends_what_could_be_redone_and_another_user_what_could_be_undone(
    open_page: Open, stocked: Store
) -> None:
    app = open_page(**LINK)
    app.slider[0].set_value(2.0).run()
    pressed(app, "undo")
    app.slider[1].set_value(3.0).run()
    assert app.button(key="redo").disabled
    assert not app.button(key="undo").disabled
    button(app, "Surprise me").click().run()
    assert app.button(key="undo").disabled


def test_a_visit_to_another_page_loses_no_step(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    app.slider[0].set_value(2.0).run()
    app.switch_page("screens/library/page.py").run()
    app.switch_page("screens/recommend/page.py").run()
    pressed(app, "undo")
    assert on_desk(app)[0][1] == 1.0


def test_undoing_is_bounded(open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.state.undo.MOST", 3)
    app = open_page(**LINK)
    name = on_desk(app)[0][0]
    for _ in range(5):
        pressed(app, f"lock-{name}")
    for _ in range(3):
        assert not app.button(key="undo").disabled
        pressed(app, "undo")
    assert app.button(key="undo").disabled


def test_a_lock_changes_no_run_and_stands_in_the_link(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    name = on_desk(app)[2][0]
    pressed(app, f"lock-{name}")
    assert app.query_params["locked"] == name
    assert app.button(key=f"lock-{name}").label == "Unlock: demonstration 3"
    assert not jobs.listing(stocked, kinds=["rank"])
    again = open_page(**LINK, locked=name)
    assert again.button(key=f"lock-{name}").label == "Unlock: demonstration 3"
    pressed(app, f"lock-{name}")
    assert "locked" not in app.query_params


def test_a_strategy_fills_only_the_rest(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    name = on_desk(app)[1][0]
    with FakeEngine(stocked):
        app.slider[1].set_value(2.5).run()
        pressed(app, f"lock-{name}")
        named(app.selectbox, "fill-name").set_value("bm25").run()
        assert "1 locked demonstration stay" in texts(app)
        named(app.number_input, "fill-count").set_value(3).run()
        pressed(app, "fill-go")
        later(app, lambda: len(app.slider) == 3, "the rows around the locked one")
    asked = RunRequest.from_json(jobs.listing(stocked, kinds=["rank"])[0].payload["request"])
    assert (asked.demos, asked.demonstrations, asked.keep) == ("bm25:3", None, f"{name}*2.5@2")
    assert on_desk(app)[1] == (name, 2.5)
    assert app.query_params["locked"] == name
    pressed(app, "desk-clear")
    assert on_desk(app) == [(name, 2.5)]
    named(app.selectbox, "fill-name").set_value("none").run()
    pressed(app, "fill-go")
    assert on_desk(app) == [(name, 2.5)], "no demonstrations but the locked one"


def test_more_locks_than_places_are_refused_in_words(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    for name, _ in on_desk(app):
        pressed(app, f"lock-{name}")
    pressed(app, "fill-go")
    assert not app.exception
    assert "4 demonstrations are kept, and neighbours:4 asks for 4 in all" in texts(app)
    assert len(app.slider) == 4


def test_the_optimizer_is_asked_to_keep_what_is_locked(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    for name, _ in on_desk(app):
        pressed(app, f"lock-{name}")
    pressed(app, "optimize")
    [job] = jobs.listing(stocked, kinds=["optimize"])
    kept = ",".join(f"{name}*1@{place}" for place, (name, _) in enumerate(on_desk(app), 1))
    assert (job.payload["keep"], job.payload["size"]) == (kept, 8)


def test_the_desk_is_kept_under_a_name(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    app.slider[0].set_value(2.0).run()
    pressed(app, f"lock-{on_desk(app)[3][0]}")
    pressed(app, "sets")
    assert "No sets yet" in texts(app)
    app.text_input(key="set-name").set_value("good ones").run()
    app.segmented_control(key="set-for").set_value("All users (shared)").run()
    app.text_area(key="set-note").set_value("picked by hand").run()
    pressed(app, "set-save")
    assert not app.exception
    assert [each.value for each in app.success] == ["Saved as good ones."]
    [kept] = sets.listing(stocked, datasets.get(stocked, "simulated").id)
    assert (kept.name, kept.shared, kept.note) == ("good ones", True, "picked by hand")
    assert [(one.id, one.weight) for one in kept.members] == on_desk(app)
    assert [one.locked for one in kept.members] == [False, False, False, True]
    pressed(app, "set-save")
    assert "It gets a new version" in texts(app)


def test_a_set_is_put_on_the_desk_of_any_user(open_page: Open, stocked: Store) -> None:
    kept = saved(stocked, user="shopper 0012", locked=True)
    app = open_page(**OTHER)
    with FakeEngine(stocked):
        pressed(app, "sets")
        pressed(app, "set-load")
        later(app, lambda: len(app.slider) == 2, "the rows of the set")
    assert not app.exception
    assert on_desk(app) == [(one.id, one.weight) for one in kept.members]
    assert "The set **good ones**, of one user." in texts(app)
    assert app.query_params["demos"] == f"set:{kept.reference}"
    assert app.query_params["locked"] == kept.members[1].id
    [run] = runs.listing(stocked, runs.Filter(user="shopper 0003"))
    assert run.request.demos == f"set:{kept.reference}"
    pressed(app, "undo")
    assert "set:" not in str(app.query_params)


def test_what_the_user_may_not_know_is_left_out_and_said(open_page: Open, stocked: Store) -> None:
    info = datasets.get(stocked, "simulated")
    views = pool(stocked, RunRequest("simulated", "shopper 0012"))
    own = next(view for view in views if view["user"] == "shopper 0012")
    kept = sets.save(stocked, info, "mine", [Member(views[0]["id"]), Member(own["id"])])
    rank(stocked, RunRequest("simulated", "shopper 0012", demos=f"set:{kept.reference}"))
    app = open_page(**LINK, demos=f"set:{kept.reference}")
    assert [name for name, _ in on_desk(app)] == [views[0]["id"]]
    assert "The set **mine**, shared by all users. :orange[Left out:] 1 of the 2 demonstrations" in texts(app)
    assert "not known yet when the next purchase of 'shopper 0012' is predicted" in texts(app)


def test_a_set_that_is_gone_leaves_an_empty_desk_and_a_note(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK, demos="set:nothing")
    assert not app.exception
    assert "has no set 'nothing'" in texts(app)
    assert "The desk is empty instead." in texts(app)
    assert not app.slider


def test_the_runs_with_a_set_and_their_gain_stand_beside_it(open_page: Open, stocked: Store) -> None:
    kept = saved(stocked)
    app = open_page(**LINK)
    pressed(app, "sets")
    assert "No stored run has used this version." in texts(app)
    rank(stocked, RunRequest("simulated", "shopper 0012", demos=f"set:{kept.reference}"))
    app.run()
    assert "Mean gain over the list without demonstrations, 1 run of 1 user with embedded" in texts(app)


def test_a_set_is_renamed_copied_shared_deleted_and_brought_back(open_page: Open, stocked: Store) -> None:
    kept = saved(stocked, user="shopper 0012")
    info = datasets.get(stocked, "simulated")
    app = open_page(**LINK)
    pressed(app, "sets")
    app.text_input(key=f"set-rename-name-{kept.id}").set_value("best").run()
    pressed(app, "set-rename-go")
    assert sets.get(stocked, info.id, "best").id == kept.id
    app.text_input(key=f"set-duplicate-name-{kept.id}").set_value("best").run()
    pressed(app, "set-share")
    assert sets.get(stocked, info.id, "best").shared
    app.text_input(key=f"set-duplicate-name-{kept.id}").set_value("copy").run()
    pressed(app, "set-duplicate-go")
    assert {one.name for one in sets.listing(stocked, info.id)} == {"best", "copy"}
    copy = sets.get(stocked, info.id, "copy")
    app.text_input(key=f"set-rename-name-{copy.id}").set_value("best").run()
    pressed(app, "set-rename-go")
    assert "There is a set 'best' already." in texts(app)
    pressed(app, "set-delete")
    assert [one.name for one in sets.listing(stocked, info.id)] == ["best"]
    assert "Deleted: copy" in texts(app)
    pressed(app, f"set-restore-{copy.id}")
    assert {one.name for one in sets.listing(stocked, info.id)} == {"best", "copy"}
    assert not app.exception


def test_a_set_is_compared_with_the_desk_and_with_another(open_page: Open, stocked: Store) -> None:
    kept = saved(stocked)
    saved(stocked, name="same")
    app = open_page(**LINK)
    pressed(app, "sets")
    assert "Only in **the desk**" in texts(app)
    assert "Weight 0.5 → 1" in texts(app)
    assert "Place 1 → 2" in texts(app)
    app.selectbox(key=f"set-compare-{kept.id}").set_value("same").run()
    assert "A model is shown the same." in texts(app)


def test_zero_demonstrations_is_zero(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK)
    with FakeEngine(stocked):
        pressed(app, "desk-clear")
        later(app, lambda: len(runs.listing(stocked)) == 2, "the run without any")
    run = runs.by_key(stocked, runs.listing(stocked)[0].key)
    assert run is not None
    assert (run.request.demonstrations, run.result["demonstrations"]) == ((), [])
    assert app.query_params["set"] == "none"
    assert named(app.button, "desk-clear")
