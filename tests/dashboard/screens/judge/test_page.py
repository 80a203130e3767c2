"""Judge: making a comparison of stored runs, judging it blindly through its link, and what came out."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.judge import effect_chart, results_text
from dashboard.screens.judge.blind import titles
from db import judging, runs
from db.judging import Judging
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.dashboard.conftest import APP
from tests.support import shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import button, named, read, texts

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")
USERS = ("shopper 0000", "shopper 0012", "shopper 0003", "shopper 0021")


@pytest.fixture
def stored(store: Store) -> list[Run]:
    """Runs of four users without demonstrations and with two; the first user's titles are hostile."""
    shop.stock(store, titles=shop.HOSTILE)
    bare = [rank(store, replace(BASE, user=user, demos="none")) for user in USERS]
    return bare + [rank(store, replace(BASE, user=user, demos="bm25:2")) for user in USERS]


@pytest.fixture
def made(store: Store, stored: list[Run]) -> Judging:
    """Both settings over all four users."""
    for run in stored:
        effects(store, run)
    a, b = judging.named(store, "simulated", "none", "bm25:2")
    return judging.create(store, "Do they help?", judging.make(store, judging.over_users(a, b, 4, 0)))


def answer(app: AppTest, choice: str) -> AppTest:
    """Press Left list, Tie or Right list."""
    return button(app, choice).click().run()


def shown(app: AppTest) -> list[str]:
    """The left list and the right list, as HTML."""
    lists = [part.value for part in app.html if 'class="judged"' in part.value]
    return lists[1:]


def said(app: AppTest) -> list[str]:
    """What stands on the page itself, without the frame around it."""
    main = app.main
    parts = [*main.markdown, *main.caption, *main.header, *main.subheader]
    return [*(part.value for part in parts), *(each.label for each in main.button)]


def begun(open_page: Open, made: Judging, name: str) -> AppTest:
    """The judges' page after a name was given."""
    app = open_page("judge", judge=made.token)
    named(app.text_input, "judge-name").set_value(name)
    return button(app, "Start").click().run()


def test_without_runs_it_says_where_they_come_from(open_page: Open, store: Store) -> None:
    app = open_page("judge")
    assert not app.exception
    assert "No stored runs to compare yet" in texts(app)


def test_two_settings_become_a_comparison_with_a_link(
    open_page: Open, store: Store, stored: list[Run]
) -> None:
    app = open_page("judge")
    assert not app.exception
    assert "4 users have both." in texts(app)
    named(app.text_input, "judge-new-name").set_value("First one").run()
    named(app.number_input, "judge-users").set_value(3).run()
    button(app, "Create 3 pairs").click().run()
    assert not app.exception
    [found] = judging.listing(store)
    assert (found.name, found.pairs) == ("First one", 3)
    assert found.labels == ("no demonstrations", "BM25 (2)")
    assert app.query_params["comparison"] == str(found.id)
    assert f"judge?judge={found.token}" in app.code[0].value
    assert "Nobody has judged a pair yet" in texts(app)


def test_picked_runs_are_judged_in_pairs_or_against_their_own_list(
    open_page: Open, store: Store, stored: list[Run]
) -> None:
    keys = ",".join(run.key[:12] for run in (stored[1], stored[5]))
    app = open_page("judge", runs=keys)
    assert not app.exception
    button(app, "Create 1 pair").click().run()
    [found] = judging.listing(store)
    assert [listed.run for listed in judging.pairs(store, found)[0].lists] == [stored[1].key, stored[5].key]
    app = open_page("judge", runs=f"{stored[5].key[:12]},nothing")
    assert "holds no run" in texts(app)
    button(app, "Create 1 pair").click().run()
    found = judging.listing(store)[0]
    assert [listed.part for listed in judging.pairs(store, found)[0].lists] == ["zero_shot", "items"]


def test_the_settings_of_two_runs_are_taken_over_all_users(
    open_page: Open, store: Store, stored: list[Run]
) -> None:
    app = open_page("judge", runs=f"{stored[0].key[:12]},{stored[4].key[:12]}")
    choice = named(app.segmented_control, "judge-way-pairs-without-theirs-settings")
    choice.set_value("theirs").run()
    button(app, "Create 4 pairs").click().run()
    assert not app.exception
    assert judging.listing(store)[0].pairs == 4


def test_a_judge_sees_titles_and_nothing_else(
    open_page: Open, store: Store, made: Judging, stored: list[Run]
) -> None:
    app = open_page("judge", judge=made.token)
    assert "4 pairs" in texts(app)
    app = begun(open_page, made, "Ana")
    assert app.query_params["as"] == "Ana"
    for _ in range(made.pairs):
        page = read("\n".join([*shown(app), *said(app)]))
        assert "Pair" in page
        for told in ("BM25", "demonstrations", "NDCG", "target", "rank", made.name):
            assert told not in page
        assert not [run for run in stored if run.key[:12] in page]
        assert "<script>" not in page
        left, right = (re.findall("<li>", part) for part in shown(app))
        assert len(left) == len(right) == 10
        assert not [each.key for each in app.button if each.key and "~" in each.key]
        app = answer(app, "Tie")
    assert not app.exception
    assert "Thank you, Ana" in texts(app)
    assert judging.get(store, made.id).judgements == made.pairs


def test_an_answer_is_kept_for_the_list_on_its_side_with_its_reason(
    open_page: Open, store: Store, made: Judging
) -> None:
    app = begun(open_page, made, "Ana")
    judge = judging.find_judge(store, made, "Ana")
    assert judge is not None
    order = judging.order(made, judge)
    for place, (number, left) in enumerate(order):
        pair = judging.pair(store, made, number)
        first = pair.lists["ab".index(left)]
        assert shown(app)[0] in [titles(first.titles, lines) for lines in (1, 2)]
        named(app.text_input, f"judge-reason-{number}").set_value(f"reason {place}").run()
        app = answer(app, "Left list")
    said = {each.pair: each for each in judging.judgements(store, made)}
    for place, (number, left) in enumerate(order):
        assert (said[number].choice, said[number].left) == (left, left)
        assert said[number].reason == f"reason {place}"


def test_a_reload_continues_and_going_back_replaces(open_page: Open, store: Store, made: Judging) -> None:
    app = answer(begun(open_page, made, "Ana"), "Left list")
    app = open_page("judge", judge=made.token, **{"as": "ana"})
    assert "Pair 2 of 4, 1 judged, as Ana" in texts(app)
    button(app, "Back").click().run()
    assert "You picked the left list." in texts(app)
    answer(app, "Tie")
    assert "Pair 2 of 4" in texts(app)
    assert [each.choice for each in judging.judgements(store, made)] == ["tie"]


def test_two_windows_under_one_name_lose_no_answer(open_page: Open, store: Store, made: Judging) -> None:
    app = begun(open_page, made, "Ana")
    judge = judging.find_judge(store, made, "Ana")
    assert judge is not None
    number, left = judging.order(made, judge)[0]
    judging.record(store, made, judge, number, left)  # the other window
    app = answer(app, "Right list")
    assert not app.exception
    assert any("perhaps in another window" in each.value for each in app.warning)
    assert "Pair 2 of 4" in texts(app)
    assert [each.choice for each in judging.judgements(store, made)] == [left]


def test_a_name_that_somebody_has_is_asked_for(open_page: Open, store: Store, made: Judging) -> None:
    answer(begun(open_page, made, "Ana"), "Tie")
    app = begun(open_page, made, "ANA")
    assert any(
        "judges as “Ana” already: 1 of 4 pairs" in each.value.replace("\\", "") for each in app.warning
    )
    button(app, "Continue as Ana").click().run()
    assert "Pair 2 of 4" in texts(app)
    app = begun(open_page, made, " ")
    assert "needs a name" in texts(app)
    assert len(judging.judges(store, made)) == 1


def test_a_link_that_leads_nowhere_says_so(open_page: Open, store: Store, made: Judging) -> None:
    app = open_page("judge", judge="nothing")
    assert "leads to no comparison" in texts(app)
    assert not [line for line in said(app) if "from the navigation" in line], "there is none"
    assert "no blind comparison 99" in texts(open_page("judge", comparison="99"))


def test_results_wait_for_who_is_judging_in_this_window(open_page: Open, made: Judging) -> None:
    app = answer(begun(open_page, made, "Ana"), "Tie")
    app.query_params.clear()
    app.query_params["comparison"] = str(made.id)
    app.run()
    assert "You have 3 pairs left to judge" in texts(app)
    assert "BM25" not in texts(app).partition("left to judge")[2]
    button(app, "Stop judging here").click().run()
    assert "In one sentence" in texts(app)


def test_results_are_told_and_outlive_the_runs(
    open_page: Open, store: Store, made: Judging, stored: list[Run]
) -> None:
    for name, choices in {"Ana": "bbab", "Bob": "bbtb"}.items():
        judge = judging.join(store, made, name)
        for number, choice in enumerate(choices):
            side = {"a": "a", "b": "b", "t": "tie"}[choice]
            judging.record(store, made, judge, number, side, "<b>why</b> $x$")
    keys = [run.key for run in stored]
    runs.delete(store, *keys)
    runs.purge(store, *keys)
    app = open_page("judge", comparison=str(made.id))
    assert not app.exception
    text = texts(app)
    assert "Cohen's kappa" in str(app.table[1].value["answer"])
    assert "Neither A (no demonstrations) nor B (BM25 (2)) is preferred beyond chance" in text
    assert "these are few" in text
    assert list(app.table[0].value["judge"]) == ["Ana", "Bob", "all judges"]
    assert list(app.dataframe[0].value["run B"]) == [
        pair.lists[1].run[:12] for pair in judging.pairs(store, made)
    ]
    assert app.dataframe[1].value["reason"][0] == "<b>why</b> $x$"


def test_deleting_is_undone(open_page: Open, store: Store, made: Judging) -> None:
    app = open_page("judge", comparison=str(made.id))
    button(app, "Delete").click().run()
    assert judging.listing(store) == []
    assert "Deleted the comparison." in texts(app)
    button(app, "Undo").click().run()
    assert [one.id for one in judging.listing(store)] == [made.id]
    assert "Deleted the comparison." not in texts(app)


def test_nobody_judges_where_nothing_is_written(
    open_page: Open, store: Store, made: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging.record(store, made, judging.join(store, made, "Ana"), 0, "b")
    monkeypatch.setenv("DUALENS_READ_ONLY", "true")
    for page in ({"judge": made.token}, {"judge": made.token, "as": "Ana"}):
        app = AppTest.from_file(str(APP), default_timeout=180)
        app.run()
        app.switch_page("screens/judge/page.py")
        for name, value in page.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        assert any("--read-only" in each.value for each in [*app.info, *app.caption])
        assert [each.key for each in app.button if not each.disabled and "judge" in str(each.key)] == []


def test_runs_and_compare_lead_to_it(open_page: Open, stored: list[Run]) -> None:
    app = open_page("compare", a=stored[1].key, b=stored[5].key)
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert stored[1].key[:12] in links["Let people judge"]
    assert stored[5].key[:12] in links["Let people judge"]


def test_points_say_whether_people_and_effects_agree() -> None:
    points = [(0.5, 1.0, "one"), (-0.5, 1.0, "two"), (0.5, 0.5, "three")]
    assert (
        effect_chart.describe(points)
    ) == "3 pairs: in 1 the list whose demonstrations add more is preferred, in 1 the other."


def test_what_was_left_out_is_said(made: Judging) -> None:
    assert results_text.left_out(replace(made, left_out={"Same titles.": 2})) == [
        "2 pairs left out: Same titles."
    ]
