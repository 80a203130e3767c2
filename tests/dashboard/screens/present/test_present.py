"""The Present page: the story of what is stored, step by step, with no work asked of anybody."""

from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.report.kinds import story
from dashboard.report.story import Step, Story, Table
from dashboard.screens.present import slides
from dashboard.text.literal import plain
from db import jobs, runs
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import button, read, texts

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")
STUDY = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20}


@pytest.fixture
def two(store: Store) -> tuple[Run, Run]:
    """Two runs of one user, the first with effects."""
    shop.stock(store)
    one, other = rank(store, BASE), rank(store, replace(BASE, demos="bm25:2"))
    effects(store, one)
    return one, other


def finding(app: AppTest) -> str:
    """What the step says in large letters."""
    assert not app.exception
    shown = [each.value for each in app.html if "<h1" in each.value]
    return unescape(shown[0].partition("'>")[2].partition("<h1")[2].partition(">")[2].partition("</h1>")[0])


def where(app: AppTest) -> str:
    """The foot: what is presented, and which step it is."""
    return next(each.value for each in app.html if "presented-foot" in each.value)


def test_nothing_stored(open_page: Open) -> None:
    assert "Nothing to present yet" in texts(open_page("present"))


def test_what_can_be_presented_is_listed_starred_runs_first(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    runs.annotate(store, two[0].key, starred=True, note="for Monday")
    job = jobs.submit(store, "study", STUDY)
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", fake_study.strategies(STUDY))
    app = open_page("present")
    links = [link.proto for link in app.get("page_link") if "of=" in link.proto.query_string]
    assert [link.query_string for link in links] == [f"of={job.id}", f"of={two[0].key}", f"of={two[1].key}"]
    assert read(links[1].label).startswith("★ shopper 0012")
    assert "for Monday" in texts(app)


def test_the_steps_of_a_run(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    found = story(store, [two[0].key])
    app = open_page("present", of=two[0].key[:12])
    assert finding(app) == plain(found.steps[0].finding)
    for at, step in enumerate(found.steps[1:], start=2):
        button(app, "Next").click().run()
        assert app.query_params["step"] == str(at)
        assert finding(app) == plain(step.finding)
    button(app, "Next").click().run()
    assert "nothing here says how often demonstrations help" in texts(app), "the limits are shown, too"
    assert button(app, "Next").disabled
    button(app, "First").click().run()
    assert finding(app) == plain(found.steps[0].finding)
    assert button(app, "Back").disabled
    button(app, "Close").click().run()
    assert "Starred ones first" in texts(app)


def test_the_keys(open_page: Open, two: tuple[Run, Run]) -> None:
    app = open_page("present", of=two[0].key, step="2")
    keys = {each.label: each.proto.shortcut for each in app.button}
    assert keys == {"First": "home", "Back": "left", "Next": "right", "Last": "end", "Close": "escape"}
    assert len(app.button) == 5, "no controls but the keys"
    assert not [*app.selectbox, *app.slider, *app.text_input, *app.toggle, *app.number_input]


def test_a_comparison_says_first_what_does_not_compare(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    other = rank(store, replace(BASE, user="shopper 0003"))
    app = open_page("present", of=f"{two[0].key},{other.key}")
    assert "The runs belong to different users" in texts(app)
    assert "2 runs compared" in where(app)


@pytest.mark.parametrize("step", ["0", "99", "x", ""])
def test_a_step_that_is_not_there(open_page: Open, two: tuple[Run, Run], step: str) -> None:
    assert f" of {len(slides.of(story_of(two[0])))}" in where(open_page("present", of=two[0].key, step=step))


def story_of(run: Run) -> Story:
    """A story with as many steps as that of a run with effects."""
    steps = tuple(Step(str(at), "x") for at in range(4))
    return Story("run", run.key, "", (run.key,), steps, limits=("one",))


def test_an_unknown_run_says_so_and_offers_others(open_page: Open, two: tuple[Run, Run]) -> None:
    app = open_page("present", of="000000000000")
    assert "The store holds no" in texts(app)
    assert "Starred ones first" in texts(app)


def test_it_asks_nobody_for_work(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    for step in range(1, 6):
        open_page("present", of=two[1].key, step=str(step))
        open_page("present", of=f"{two[0].key},{two[1].key}", step=str(step))
    assert jobs.listing(store) == []


@pytest.mark.parametrize("title", shop.HOSTILE)
def test_titles_stay_text(title: str) -> None:
    table = Table(title, (title,), ((title.replace("\\", "").replace("*", "").replace(":", ""),),))
    slide = slides.Slide(title, title, title, tables=(table,), points=(title,))
    for html in (slides.head(slide), slides.body(slide)):
        assert "<script" not in html
        assert "<img" not in html


def test_a_long_table_is_cut_and_says_so() -> None:
    rows = tuple((str(at),) for at in range(slides.ROWS + 3))
    body = slides.body(slides.Slide("", "", tables=(Table("t", ("n",), rows),)))
    assert "3 more rows are in the report." in body
