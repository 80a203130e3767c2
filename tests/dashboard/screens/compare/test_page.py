"""The Compare page and the tables behind it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.compare import differences
from db import runs
from db.requests import Chosen, RunRequest
from db.runs import Run
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import effects, pool, rank
from tests.support.reading import texts

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")


@pytest.fixture
def two(store: Store) -> tuple[Run, Run]:
    """Two runs of one user: the same demonstrations, one weight changed, one dropped."""
    shop.stock(store)
    names = [view["id"] for view in pool(store, BASE)[:3]]
    one = rank(store, replace(BASE, demonstrations=tuple(Chosen(name, 1.0) for name in names)))
    other = rank(store, replace(BASE, demonstrations=(Chosen(names[0], 2.0), Chosen(names[1], 1.0))))
    effects(store, one)
    effects(store, other)
    return one, other


def test_nothing_stored(open_page: Open, store: Store) -> None:
    app = open_page("compare")
    assert not app.exception
    assert "No stored runs yet" in texts(app)


def test_it_proposes_the_newest_and_one_of_the_same_user(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    app = open_page("compare")
    assert not app.exception
    assert app.query_params["a"] == two[0].key
    assert app.query_params["b"] == two[1].key
    assert "From A to B the target" in texts(app)
    assert "Careful" not in texts(app)


def test_a_lonely_newer_run_is_passed_over(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    rank(store, replace(BASE, user="shopper 0003"))
    app = open_page("compare")
    assert app.query_params["b"] == two[1].key


def test_a_link_opens_its_two_runs(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    app = open_page("compare", a=two[1].key[:12], b=two[0].key)
    assert app.selectbox(key="pick-run-a").value == two[1].key
    assert app.selectbox(key="pick-run-b").value == two[0].key


def test_swap(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    app = open_page("compare", a=two[0].key, b=two[1].key)
    next(each for each in app.button if each.label == "Swap").click().run()
    assert app.query_params["a"] == two[1].key


def test_a_deleted_run_in_the_link_is_named(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    runs.delete(store, two[0].key)
    app = open_page("compare", a=two[0].key, b=two[1].key)
    assert not app.exception
    assert "Run A" in texts(app)
    assert "Choose two runs" in texts(app)


def test_only_what_changed_is_listed(two: tuple[Run, Run]) -> None:
    table = differences.changes(*two)
    assert list(table.index) == ["demonstrations", "weight of number 1"]
    assert list(table.loc["weight of number 1"]) == ["1", "2"]
    assert differences.changes(two[0], two[0]).empty


def test_numbers_say_better_or_worse_with_sign_and_word(two: tuple[Run, Run]) -> None:
    a, b = two
    better = Run(**{**vars(b), "result": {**b.result, "loss": a.result["loss"] - 1.0}})
    table = differences.numbers_table(a, better, None, None)
    assert table.loc["Loss of the target, nats", "B − A"] == ":blue[**−1.00** better]"
    table = differences.numbers_table(better, a, None, None)
    assert table.loc["Loss of the target, nats", "B − A"] == ":orange[**+1.00** worse]"
    assert table.loc["Prompt, tokens", "B − A"].startswith(":gray[")
    elsewhere = replace(better, result={**better.result, "target": {**b.result["target"], "item": "other"}})
    assert not differences.numbers_table(a, elsewhere, None, None)["B − A"].str.contains("better|worse").any()


def test_the_demonstrations_of_both_are_joined(store: Store, two: tuple[Run, Run]) -> None:
    found = [runs.effects(store, run.key)[-1].result for run in two]
    table = differences.demonstrations_table(*two, *found)
    assert len(table) == 3
    assert list(table["weight A"]) == ["1.0", "1.0", "1.0"]
    assert list(table["weight B"]) == ["2.0", "1.0", "–"]
    assert list(table["effect B, nats"])[2] == "–"
    assert all(cell[0] in "+−0" for cell in table["effect A, nats"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": {"fingerprint": "other"}}, "candidate lists differ"),
        (
            {"model": {"name": "embedded", "revision": "r2", "dtype": "float32"}},
            "was replaced between the runs",
        ),
        ({"model": {"name": "big", "revision": "r1", "dtype": "float32"}}, "models differ"),
        ({"model": {"name": "embedded", "revision": "r1", "dtype": "bfloat16"}}, "number formats"),
        ({"target": {"item": "other", "title": "Other", "kind": "probe"}}, "different targets"),
    ],
)
def test_what_forbids_comparing_is_said_loudly(two: tuple[Run, Run], change: dict, said: str) -> None:
    a, b = two
    assert differences.warnings(a, b) == []
    altered = replace(b, result={**b.result, **change})
    assert any(said in warning for warning in differences.warnings(a, altered))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("template", "chat", "templates differ"),
        ("scoring", "mean", "scoring modes differ"),
        ("user", "x", "different users"),
    ],
)
def test_requests_that_forbid_comparing(two: tuple[Run, Run], field: str, value: str, said: str) -> None:
    a, b = two
    altered = replace(b, request=replace(b.request, **{field: value}))
    assert any(said in warning for warning in differences.warnings(a, altered))
    if field != "user":
        assert field == "template" or "scoring" in differences.changes(a, altered).index
