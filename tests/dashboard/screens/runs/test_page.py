"""The page of stored runs: its address, table, marks, what is done with picked runs, deleting and undo."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.screens.runs import asked, picks
from dashboard.screens.runs.asked import Asked
from dashboard.screens.runs.table import frame, fresh, marks, sentence
from db import runs
from db.choices import ORDERS
from db.names import clean_text
from db.requests import RunRequest
from db.runs import Filter, Run
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import rank
from tests.support.reading import button, named, texts

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")
HOSTILE = "<img src=x onerror=alert(1)> $x$ :smile: =1+1 [a](http://b)"


@pytest.fixture
def stored(store: Store) -> list[Run]:
    """Three runs, the newest last."""
    shop.stock(store)
    return [rank(store, replace(BASE, demos=demos)) for demos in ("none", "bm25:2", "neighbours:4")]


def table(app: AppTest) -> Any:
    """What the table holds."""
    return app.dataframe[0].value


def pick(app: AppTest, *keys: str) -> AppTest:
    """Pick these runs, as ticking their rows does."""
    app.session_state["form-answers"] = {**_answers(app), picks.PICKED: list(keys)}
    return app.run()


def _answers(app: AppTest) -> dict[str, Any]:
    return app.session_state["form-answers"] if "form-answers" in app.session_state else {}  # noqa: SIM401


def links(app: AppTest) -> dict[str, str]:
    """The links of the page, by label: their parameters."""
    return {link.proto.label: link.proto.query_string for link in app.get("page_link")}


def test_without_runs_it_shows_an_example_and_the_way_to_the_first_one(open_page: Open, store: Store) -> None:
    app = open_page("runs")
    assert not app.exception
    assert "No stored runs yet" in texts(app)
    assert "Open Recommend" in links(app)


def test_all_runs_are_listed_newest_first(open_page: Open, stored: list[Run]) -> None:
    app = open_page("runs")
    assert not app.exception
    assert "3 runs; 3 shown." in texts(app)
    assert list(table(app)["k"]) == [4, 2, 0]
    assert "that rank a target" in texts(app)


def test_the_address_narrows_and_sorts(open_page: Open, stored: list[Run]) -> None:
    app = open_page("runs", strategy="bm25", sort="k")
    assert list(table(app)["k"]) == [2]
    assert "1 run matches" in texts(app)
    button(app, "Clear filters").click().run()
    assert app.query_params == {}
    assert list(table(app)["k"]) == [4, 2, 0]
    named(app.selectbox, "runs-order-by").select("k").run()
    named(app.toggle, "runs-reverse").set_value(True).run()
    assert list(table(app)["k"]) == [0, 2, 4]
    named(app.text_input, "runs-search").set_value("bm25").run()
    assert app.query_params == {"q": "bm25", "sort": "k", "reverse": "yes"}
    named(app.text_input, "runs-search").set_value("nothing of it").run()
    assert "0 runs match" in texts(app)


def test_stars_and_targets_are_filtered(open_page: Open, store: Store, stored: list[Run]) -> None:
    runs.annotate(store, stored[0].key, starred=True)
    app = open_page("runs")
    named(app.selectbox, "runs-starred").select("with").run()
    assert list(table(app)["k"]) == [0]
    assert app.query_params == {"star": "yes"}
    named(app.selectbox, "runs-starred").select("without").run()
    assert list(table(app)["k"]) == [4, 2]
    named(app.selectbox, "runs-has_target").select("not known").run()
    assert "0 runs match" in texts(app)
    named(app.selectbox, "runs-starred").select("").run()
    assert app.query_params == {"target": "no"}


def test_a_link_to_what_is_gone_shows_no_run_and_a_way_back(open_page: Open, stored: list[Run]) -> None:
    app = open_page("runs", model="gone", tag=HOSTILE, sort="colour", after="nothing")
    assert not app.exception
    assert "0 runs match" in texts(app)
    button(app, "Clear filters").click().run()
    assert "3 runs; 3 shown." in texts(app)


def test_pages_follow_each_other(open_page: Open, store: Store, stored: list[Run]) -> None:
    for number in range(40):
        runs.save(store, replace(stored[0], key=f"{number:064x}", created_at=1000.0 + number))
    app = open_page("runs")
    button(app, "Next").click().run()
    button(app, "Next").click().run()
    assert "43 runs; 3 shown." in texts(app)
    button(app, "Previous").click().run()
    assert "43 runs; 20 shown." in texts(app)
    button(app, "First page").click().run()
    assert "Previous" not in [each.label for each in app.button]


def test_two_to_four_picked_runs_are_compared_the_older_first(open_page: Open, stored: list[Run]) -> None:
    keys = [run.key for run in stored]
    app = pick(open_page("runs"), keys[2], keys[0])
    assert links(app)["Compare 2 runs"] == f"a={keys[0]}&b={keys[2]}"
    app = pick(app, *keys)
    assert links(app)["Compare 3 runs"] == f"a={keys[0]}&b={keys[1]}&c={keys[2]}"
    app = pick(app, keys[1])
    assert links(app)["Explain this run"] == f"run={keys[1]}"
    assert "Open on the desk" in links(app)
    app = pick(app, *keys, "x", "y")
    assert "At most 4 runs" in texts(app)
    button(app, "Pick none").click().run()
    assert "Tick runs" in texts(app)


def test_deleting_is_undone_at_once_or_after_a_reload_by_anyone(
    open_page: Open, store: Store, stored: list[Run]
) -> None:
    app = pick(open_page("runs"), stored[0].key, stored[1].key)
    button(app, "Delete").click().run()
    assert "Deleted 2 runs." in texts(app)
    assert [run.key for run in runs.listing(store)] == [stored[2].key]
    button(app, "Undo").click().run()
    assert len(runs.listing(store)) == 3
    assert "Deleted 2 runs." not in texts(app)
    runs.delete(store, stored[0].key)
    other = open_page("runs", deleted="yes")
    assert "1 deleted run; 1 shown." in texts(other)
    pick(other, stored[0].key)
    button(other, "Bring back").click().run()
    assert len(runs.listing(store)) == 3


def test_deleting_for_good(open_page: Open, store: Store, stored: list[Run]) -> None:
    runs.delete(store, *(run.key for run in stored))
    app = pick(open_page("runs", deleted="yes"), stored[0].key)
    button(app, "Delete for good now").click().run()
    assert runs.count(store, Filter(deleted=True)) == 2


def test_visitors_of_an_open_page_change_nothing(
    open_page: Open, store: Store, stored: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUALENS_CHANGES", "false")
    app = pick(open_page("runs"), stored[0].key)
    assert button(app, "Delete").disabled
    assert "read only here" in texts(app)


def test_hostile_notes_and_tags_are_shown_as_they_are(
    open_page: Open, store: Store, stored: list[Run]
) -> None:
    runs.annotate(store, stored[2].key, note=HOSTILE, tags=[HOSTILE])
    app = open_page("runs", tag=HOSTILE)
    assert not app.exception
    assert list(table(app)["note"]) == [HOSTILE]
    assert list(table(app)["tags"][0]) == [HOSTILE]


def test_only_what_is_new_is_written_and_only_marks() -> None:
    before = {0: {"note": "a"}, 2: {"star": True}}
    after = {0: {"note": "a", "tags": ["x"]}, 2: {"star": False}, 3: {"pick": True}}
    assert fresh(after, before) == {0: {"tags": ["x"]}, 2: {"star": False}, 3: {"pick": True}}
    assert fresh(before, before) == {}
    assert marks({"pick": True}) == {}
    assert marks({"star": None, "tags": None, "note": None}) == {"starred": False, "tags": [], "note": ""}


def test_a_run_without_target_or_time_has_empty_cells(store: Store, stored: list[Run]) -> None:
    bare = runs.summary(replace(stored[0], result={}, timings_ms={}))
    rows = frame([bare], [bare.key])
    assert rows["pick"].to_list() == [True]
    assert rows[["rank", "without", "margin", "NDCG@10", "seconds"]].isna().to_numpy().all()
    assert sentence([bare]) == "None of the runs shown ranks a target."


def test_the_sentence_counts_as_one_speaks(store: Store, stored: list[Run]) -> None:
    def ranked(*ranks: int) -> str:
        metrics = [{"metrics": {"rank": float(rank)}} for rank in ranks]
        return sentence([runs.summary(replace(stored[0], result=result)) for result in metrics])

    assert ranked(3) == "The only run shown that ranks a target has it at rank 3."
    assert ranked(3, 15) == (
        "Of the 2 runs shown that rank a target, 1 has it among the first 10; its median rank is 9."
    )
    assert "2 have it among the first 10" in ranked(3, 4)


TEXT = st.text(min_size=1, max_size=8).map(clean_text).filter(lambda text: text.strip())
ASKED = st.builds(
    Asked,
    st.builds(
        Filter,
        *(st.none() | TEXT for _ in range(6)),
        starred=st.none() | st.booleans(),
        has_target=st.none() | st.booleans(),
        deleted=st.booleans(),
        search=st.just("") | TEXT,
    ),
    st.sampled_from(list(ORDERS)),
    st.booleans(),
    st.none() | TEXT,
    st.none() | TEXT,
)


@given(ASKED)
def test_an_address_says_all_that_is_asked(wanted: Asked) -> None:
    assert asked.read(asked.write(wanted)) == wanted
