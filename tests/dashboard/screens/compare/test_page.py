"""The Compare page and the tables behind it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.screens.compare import attribution_text, differences, template_texts, word_diff
from dashboard.ui import run_picker
from db import jobs, runs, templates
from db import texts as stored_texts
from db.requests import Chosen, RunRequest
from db.requests.fields import field_of
from db.runs import Run
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, pool, rank
from tests.support.reading import button, later, read, texts, until

FACTS = {"name": "embedded", "revision": "r1", "dtype": "float32", "device": "cpu"}

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


def picked(app: AppTest) -> list[str | None]:
    """The runs that the two pickers show."""
    return [next(box.value for box in app.selectbox if box.label == f"Run {side}") for side in "AB"]


def box(app: AppTest, side: str) -> Any:
    """The picker of run A or B."""
    return next(box for box in app.selectbox if box.label == f"Run {side}")


def charts(app: AppTest) -> int:
    """How many bump charts the page shows."""
    return sum('class="ranks left"' in part.value for part in app.html)


def test_nothing_stored(open_page: Open, store: Store) -> None:
    app = open_page("compare")
    assert not app.exception
    assert "No stored runs yet" in texts(app)


def test_it_proposes_the_newest_and_one_of_the_same_user(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    app = open_page("compare")
    assert not app.exception
    assert picked(app) == [two[0].key, two[1].key]
    assert "From A to B the target" in texts(app)
    assert "Careful" not in texts(app)


def test_a_lonely_newer_run_is_passed_over(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    rank(store, replace(BASE, user="shopper 0003"))
    app = open_page("compare")
    assert picked(app)[1] == two[1].key


def test_a_link_opens_its_two_runs(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    app = open_page("compare", a=two[1].key[:12], b=two[0].key)
    assert picked(app) == [two[1].key, two[0].key]


def test_swap(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    app = open_page("compare", a=two[0].key, b=two[1].key)
    button(app, "Swap A and B").click().run()
    assert (app.query_params["a"], app.query_params["b"]) == (two[1].key, two[0].key)
    assert picked(app) == [two[1].key, two[0].key]


def test_one_run_only_says_what_to_do(open_page: Open, store: Store) -> None:
    shop.stock(store)
    rank(store, BASE)
    app = open_page("compare")
    assert not app.exception
    assert "Only one run is stored" in texts(app)
    assert len(app.selectbox) == 0, "there is nothing to choose"


@pytest.mark.parametrize(("demos", "other"), [("neighbours:2", "none"), ("none", "neighbours:4")])
def test_the_only_run_gets_one_to_compare_it_with(
    open_page: Open, store: Store, demos: str, other: str
) -> None:
    shop.stock(store)
    first = rank(store, replace(BASE, demos=demos, candidates=30))
    app = open_page("compare")
    with FakeEngine(store):
        words = "without" if other == "none" else "with neighbours'"
        button(app, f"Run the same {words} demonstrations").click()
        app.run()
        later(app, lambda: len(app.selectbox), "the second run")
    found = {run.request.demos: run.request for key in picked(app) for run in [runs.get(store, key or "")]}
    assert found == {demos: first.request, other: replace(first.request, demos=other)}


def test_the_pickers_name_the_strategy_and_reach_every_run(
    open_page: Open, store: Store, two: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_picker, "PAGE", 2)
    oldest = rank(store, replace(BASE, user="shopper 0003", demos="bm25:2"))
    for user in ("shopper 0004", "shopper 0005", "shopper 0006"):
        rank(store, replace(BASE, user=user, demos="none"))
    app = open_page("compare", a=two[0].key, b=two[1].key)
    assert "The newest 2 of 6 runs are listed." in texts(app)
    assert not any("BM25 (2)" in label for label in box(app, "A").options)
    assert any("custom set (3)" in label for label in box(app, "A").options), "the chosen one is listed"
    next(field for field in app.text_input if field.label == "Find runs").set_value("bm25").run()
    assert "1 run matches “bm25”." in texts(app)
    assert any("BM25 (2)" in label for label in box(app, "A").options)
    box(app, "A").set_value(oldest.key).run()
    assert not app.exception
    assert app.query_params["a"] == oldest.key
    next(field for field in app.text_input if field.label == "Find runs").set_value("").run()
    button(app, "List older runs").click().run()
    assert len(box(app, "A").options) >= 4


def test_runs_are_found_by_the_title_of_their_target(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    rank(store, replace(BASE, user="shopper 0003"))
    title = two[0].result["target"]["title"]
    app = open_page("compare", a=two[0].key, b=two[1].key)
    next(field for field in app.text_input if field.label == "Find runs").set_value(title).run()
    assert all(title[:20] in label for label in box(app, "A").options)


def test_runs_of_different_lists_show_no_movement_and_no_gain(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    other = rank(store, replace(BASE, seed=7))
    app = open_page("compare", a=two[0].key, b=other.key)
    assert not app.exception
    seen = texts(app) + "".join(table.value.to_string() for table in app.table)
    assert "The candidate lists differ" in seen
    assert charts(app) == 0
    numbers = next(table.value for table in app.table if "B − A" in table.value.columns)
    assert not any(numbers.loc[row, "B − A"].strip("–") for row in ("Target's rank", "NDCG@10"))
    assert not numbers["B − A"].str.contains("better|worse|:blue|:orange").any()
    assert "moves" not in seen
    assert "the two lists do not compare" in seen


def test_effects_are_measured_from_here(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    app = open_page("compare")
    bare = rank(store, replace(BASE, demos="proximal:2"))
    app.query_params["a"], app.query_params["b"] = two[0].key, bare.key
    app.run()
    with FakeEngine(store, {"effects": 0.5}):
        assert not any(each.label == "Measure effects of A" for each in app.button)
        button(app, "Measure effects of B").click().run()
        until(app, "Measuring effects of B")
        later(app, lambda: runs.effects(store, bare.key), "the effects of B")
        app.run()
    assert not app.exception
    assert not any(each.label == "Measure effects of B" for each in app.button)
    table = next(table.value for table in app.table if "effect B, log-share" in table.value.columns)
    assert sum(cell != "–" for cell in table["effect B, log-share"]) == 2


def test_a_deleted_run_in_the_link_is_named(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    rank(store, replace(BASE, user="shopper 0003"))
    runs.delete(store, two[0].key)
    app = open_page("compare", a=two[0].key, b=two[1].key)
    assert not app.exception
    assert "Run A" in texts(app)
    assert "Choose two runs" in texts(app)


def test_only_what_changed_is_listed(two: tuple[Run, Run]) -> None:
    table = differences.changes(two)
    assert list(table.index) == ["demonstrations", "weight of number 1"]
    assert list(table.loc["weight of number 1"]) == ["1", "2"]
    assert differences.changes((two[0], two[0])).empty


def test_numbers_say_better_or_worse_with_sign_and_word(two: tuple[Run, Run]) -> None:
    a, b = two
    better = Run(**{**vars(b), "result": {**b.result, "loss": a.result["loss"] - 1.0}})
    table = differences.numbers_table((a, better), (None, None))
    assert table.loc["Loss of the target, nats", "B − A"] == ":blue[**−1.00** better]"
    table = differences.numbers_table((better, a), (None, None))
    assert table.loc["Loss of the target, nats", "B − A"] == ":orange[**+1.00** worse]"
    assert table.loc["Prompt, tokens", "B − A"].startswith(":gray[")
    elsewhere = replace(better, result={**better.result, "target": {**b.result["target"], "item": "other"}})
    assert (
        not differences.numbers_table((a, elsewhere), (None, None))["B − A"]
        .str.contains("better|worse")
        .any()
    )


def test_the_sentence_compares_only_what_can_be_compared(two: tuple[Run, Run]) -> None:
    a, b = two

    def altered(**changes: Any) -> Run:
        return replace(b, result={**b.result, **changes})

    lower = differences.sentence(a, altered(loss=a.result["loss"] - 0.5))
    assert "From A to B the target" in lower
    assert lower.endswith("B's loss of the target is 0.50 nats lower.")
    other_model = altered(model={**b.result["model"], "name": "big", "revision": "r2"})
    assert differences.sentence(a, other_model).endswith("Their losses do not compare.")
    other_list = altered(candidates={"fingerprint": "other"})
    assert "the two lists do not compare" in differences.sentence(a, other_list)
    assert "rises" not in differences.sentence(a, other_list)
    other_target = altered(target={**b.result["target"], "item": "other"})
    assert differences.sentence(a, other_target).endswith("nor do their losses.")


def test_losses_of_different_models_are_neither_better_nor_worse(two: tuple[Run, Run]) -> None:
    a, b = two
    big = replace(
        b, result={**b.result, "loss": 1.0, "model": {**b.result["model"], "name": "big", "revision": "r2"}}
    )
    table = differences.numbers_table((a, big), (None, None))
    assert table.loc["Loss of the target, nats", "B − A"] == "–"
    assert table.loc["Target's rank", "B − A"] != "–", "one list ranked by two models does compare"


def test_total_effects_are_the_same_quantity_in_both_runs(store: Store, two: tuple[Run, Run]) -> None:
    """Of one run effects of turning down are measured, which add up to another number than the lists say."""
    a, b = (replace(run, result={**run.result, "margin_zero_shot": -2.0, "margin": -0.5}) for run in two)
    turned = runs.effects(store, a.key)[-1].result | {"measure": "margin", "effect_total": 1.1}
    table = differences.numbers_table((a, b), (turned, None))
    assert list(table.loc["Total effect, log-share"])[:2] == ["+1.50", "+1.50"]


def test_the_demonstrations_of_both_are_joined(store: Store, two: tuple[Run, Run]) -> None:
    found = [runs.effects(store, run.key)[-1].result for run in two]
    table = differences.demonstrations_table(two, found)
    assert len(table) == 3
    assert list(table["weight A"]) == ["1.0", "1.0", "1.0"]
    assert list(table["weight B"]) == ["2.0", "1.0", "–"]
    assert list(table["effect B, log-share"])[2] == "–"
    assert all(cell[0] in "+−0" for cell in table["effect A, log-share"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": {"fingerprint": "other"}}, "candidate lists differ"),
        (
            {"model": {"name": "embedded", "revision": "r2", "dtype": "float32"}},
            "was replaced between the runs",
        ),
        ({"model": {"name": "embedded", "revision": "r1", "dtype": "bfloat16"}}, "number formats"),
        ({"model": {**FACTS, "device": "cuda:0"}}, "different devices"),
        ({"model": {**FACTS, "libraries": "torch 9"}}, "earlier version of Dualens"),
        ({"model": {**FACTS, "predictions": "float32"}}, "earlier version of Dualens"),
        ({"model": {**FACTS, "revision": "r2", "libraries": "torch 9"}}, "read only a part of its files"),
        ({"target": {"item": "other", "title": "Other", "kind": "probe"}}, "different targets"),
    ],
)
def test_what_forbids_comparing_is_said_loudly(two: tuple[Run, Run], change: dict, said: str) -> None:
    a, b = two
    assert differences.warnings(a, b) == []
    altered = replace(b, result={**b.result, **change})
    assert any(said in warning for warning in differences.warnings(a, altered))


def test_models_are_called_as_they_are_registered(two: tuple[Run, Run]) -> None:
    """The folders of tuned models all have one name; the same files may be registered under two."""
    a, b = two
    tuned = [
        replace(run, model=name, result={**run.result, "model": {**FACTS, "name": "model", "revision": name}})
        for run, name in ((a, "shop-single"), (b, "shop-recicl"))
    ]
    said = [read(warning) for warning in differences.warnings(tuned[0], tuned[1])]
    assert any("models differ (shop-single and shop-recicl)" in warning for warning in said)
    assert differences.warnings(a, replace(b, model="another-name")) == []


def test_other_libraries_are_said_loudly(two: tuple[Run, Run]) -> None:
    a, b = (
        replace(run, result={**run.result, "model": {**FACTS, "libraries": version}})
        for run, version in zip(two, ("torch 9.1", "torch 9.2"), strict=True)
    )
    assert any("different libraries" in said for said in differences.warnings(a, b))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("template", "mine@1f0c2a9b7d3e", "templates differ (plain and mine@1f0c2a9b7d3e)"),
        ("turns", "chat", "differently in the prompt (one turn and turns of a conversation)"),
        ("scoring", "mean", "scoring modes differ"),
        ("user", "x", "different users"),
    ],
)
def test_requests_that_forbid_comparing(two: tuple[Run, Run], field: str, value: str, said: str) -> None:
    a, b = (replace(run, request=replace(run.request, turns="one")) for run in two)  # as runs are stored
    altered = replace(b, request=replace(b.request, **{field: value}))
    assert any(said in read(warning) for warning in differences.warnings(a, altered))
    if field != "user":
        assert field_of(RunRequest, field).asked.label in differences.changes((a, altered)).index


def test_texts_of_templates_stand_side_by_side() -> None:
    a = "\n".join(["same", *"123456789", "<b>old</b>", "end"])
    b = "\n".join(["same", *"123456789", "new", "more", "end"])
    found = template_texts.rows(a, b)
    assert [(row.a, row.b) for row in found] == [
        (None, None), *((n, n) for n in "789"), ("<b>old</b>", "new"), (None, "more"), ("end", "end"),
    ]  # fmt: skip
    html = template_texts.table(a, b)
    assert "<del>− &lt;b&gt;old&lt;/b&gt;</del>" in html
    assert html.count("<ins>+ ") == 2
    assert html.count("⋯") == 2, "once on each side"
    assert "<b>" not in html
    assert template_texts.table(a, a) == "<p>Both texts have the same lines.</p>"


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_no_line_that_differs_is_left_out(a: list[str], b: list[str]) -> None:
    found = template_texts.rows("\n".join(a), "\n".join(b))
    shown = [sum(row[side] is not None for row in found) for side in (0, 1)]
    assert shown[0] - shown[1] == len(a) - len(b), "what is left out is the same in both"
    assert bool(found) == (a != b)


def test_two_templates_are_compared_line_by_line_on_demand(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    mine = templates.save(store, "mine", "introduction = 'Books.'\n", ("sum",))
    a = rank(store, replace(BASE, template="films", turns="one"))
    b = rank(store, replace(BASE, template=mine.reference, turns="chat"))
    with FakeEngine(store):
        app = open_page("compare", a=a.key, b=b.key)
        said = texts(app)
        assert "**A**: films, demonstrations in one turn." in said
        assert "demonstrations in turns of a conversation." in said
        assert not any('class="texts"' in str(part.value) for part in app.html)
        next(each for each in app.toggle if each.label == template_texts.SHOW).set_value(True).run()
        later(app, lambda: any('class="texts"' in str(part.value) for part in app.html), "the texts")
        shown = next(str(part.value) for part in app.html if 'class="texts"' in str(part.value))
        assert "<ins>+ introduction = &#x27;Books.&#x27;</ins>" in shown
        assert "Films watched" in shown
        app = open_page("compare", a=a.key, b=rank(store, replace(BASE, template="films", turns="chat")).key)
        assert "Both runs used the same template." in texts(app)
        assert template_texts.SHOW not in [each.label for each in app.toggle]
    assert "Prompt templates" not in texts(open_page("compare", a=two[0].key, b=two[1].key))


@pytest.fixture
def four(store: Store, two: tuple[Run, Run]) -> list[Run]:
    """Those two, and two of other strategies."""
    return [*two, *(rank(store, replace(BASE, demos=demos)) for demos in ("none", "bm25:2"))]


def test_four_runs_are_held_against_the_first(open_page: Open, four: list[Run]) -> None:
    app = open_page("compare", **{side: run.key for side, run in zip("abcd", four, strict=True)})
    assert not app.exception
    said = texts(app)
    assert all(f"From A to {name} the target" in said for name in "BCD")
    numbers = next(table.value for table in app.table if "D − A" in table.value.columns)
    assert list(numbers.columns) == ["A", "B", "B − A", "C", "C − A", "D", "D − A"]
    ranks = next(table.value for table in app.table if list(table.value.columns) == ["A", "B", "C", "D"])
    assert charts(app) == 1
    assert not ranks.empty
    button(app, "Drop run D").click().run()
    assert "d" not in app.query_params
    assert "From A to D" not in texts(app)
    button(app, "Add a run").click().run()
    assert app.query_params["d"] == four[3].key, "the newest of the same user that is not there yet"


def test_a_run_of_another_list_stands_apart_and_is_warned_of(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    other = rank(store, replace(BASE, seed=7))
    app = open_page("compare", a=two[0].key, b=two[1].key, c=other.key)
    assert not app.exception
    assert "C against A. The candidate lists differ" in texts(app)
    assert "Neither ranks nor metrics compare." in texts(app)
    assert "Run C" in texts(app)
    assert charts(app) == 1


def test_only_what_changed_hides_rows_that_are_alike(open_page: Open, two: tuple[Run, Run]) -> None:
    app = open_page("compare", a=two[0].key, b=two[1].key)
    before = [len(table.value) for table in app.table]
    next(toggle for toggle in app.toggle if toggle.label == "Only what changed").set_value(True).run()
    assert not app.exception
    after = [len(table.value) for table in app.table]
    assert sum(after) < sum(before)
    table = differences.demonstrations_table(two, (None, None), only_changed=True)
    assert list(table["weight A"]) == ["1.0", "1.0"], "the one of equal weight is left out"


def test_replaced_data_are_said_loudly(two: tuple[Run, Run]) -> None:
    said = differences.warnings(*two, ("f1", "f2"))
    assert "was replaced between the runs" in read(said[0])
    assert differences.warnings(*two, ("f1", None)) == []


def test_words_that_differ_are_marked_and_markup_is_inert() -> None:
    found = word_diff.words("The red <b>car</b> stops", "The blue <b>car</b> stops now")
    assert "<del>red</del><ins>blue</ins>" in found
    assert "&lt;" in found
    assert "<b>" not in found
    assert found.endswith("<ins> now</ins>")
    lines = [f"line {number}" for number in range(50)]
    shown = word_diff.html("\n".join(lines), "\n".join([*lines[:25], "new", *lines[25:]]), "x")
    assert shown.count(word_diff.GAP) == 2
    assert "line 3<" not in shown
    assert word_diff.html("a", "a", "x") == "<p>Word for word the same.</p>"
    assert "<ins>" in word_diff.words("a " * 4_000, "b")


def test_the_prompts_of_two_runs_word_by_word(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    with store.write() as connection:
        hashes = [stored_texts.put(connection, f"Buys {word}.") for word in ("red", "blue")]
    results = [
        {**run.result, "prompt": {"hash": key, "tokens": 3}} for run, key in zip(two, hashes, strict=True)
    ]
    keys = [
        runs.save(store, replace(run, key=sign * 64, request_digest=sign, result=result)).key
        for run, sign, result in zip(two, "ab", results, strict=True)
    ]
    app = open_page("compare", a=keys[0], b=keys[1])
    next(toggle for toggle in app.toggle if toggle.label == "Show how the prompts differ").set_value(
        True
    ).run()
    assert not app.exception
    assert any("<del>red</del><ins>blue</ins>" in part.value for part in app.html)


FOUND = {
    "readings": {name: {"a": 5.0, "b": 2.0, "change": -3.0} for name in ("rank", "margin", "ndcg10")},
    "inputs": [
        {
            "label": label,
            "fields": ["demos"],
            "parts": [],
            **{
                way: dict.fromkeys(("rank", "margin", "ndcg10"), part) for way in ("shapley", "alone", "last")
            },
        }
        for label, part in (("strategy", -2.5), ("<b>k</b>", -0.5))
    ],
    "runs": [],
    "notes": ["one note"],
}


def test_which_difference_did_it(open_page: Open, store: Store, two: tuple[Run, Run]) -> None:
    other = rank(store, replace(BASE, demos="bm25:2", history=5))
    app = open_page("compare", a=two[0].key, b=other.key)
    assert "2 runs at most" in texts(app)
    button(app, "Find out which difference did it").click().run()
    [job] = jobs.listing(store, kinds=["attribution"])
    assert job.payload == {"a": two[0].key, "b": other.key}
    assert "Swapping inputs" in texts(app)
    jobs.claim(store, "test", job_id=job.id)
    jobs.finish(store, job.id, "test", FOUND)
    app = open_page("compare", a=two[0].key, b=other.key)
    assert "Of the change of the margin, −3.00, most is due to strategy: −2.50." in texts(app)
    assert "one note" in texts(app)
    table = next(table.value for table in app.table if "its part of rank" in table.value.columns)
    assert list(table.index) == ["strategy", r"\<b\>k\<\/b\>", "**whole change**"]
    assert "better" in table["its part of rank"].iloc[0]
    assert "worse" in table["its part of margin"].iloc[0]


def test_more_inputs_than_are_divided_are_shown_from_both_ends() -> None:
    alone = {**FOUND, "inputs": [{**row, "shapley": None} for row in FOUND["inputs"]]}
    assert next(iter(attribution_text.table(alone, "C"))) == "C's in A: rank"
    assert "Swapped alone, strategy changes the margin most" in attribution_text.sentence(alone)


def test_there_is_nothing_to_divide_between_different_lists(
    open_page: Open, store: Store, two: tuple[Run, Run]
) -> None:
    other = rank(store, replace(BASE, seed=7))
    app = open_page("compare", a=two[0].key, b=other.key)
    assert "cannot be swapped" in texts(app)
    assert not any(each.label == "Find out which difference did it" for each in app.button)
