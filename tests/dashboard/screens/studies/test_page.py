"""The Studies page in every state, and the tables its results are made of."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.dots import dots
from dashboard.screens.studies import comparison_tables, study_text
from dashboard.screens.studies.conclusion import conclusion, sentences
from dashboard.screens.studies.drift_chart import describe, drift
from dashboard.screens.studies.study_list import about
from dashboard.screens.studies.trust import other_scores, trusted
from dashboard.text.estimates import verdict
from dashboard.ui.theme import LIGHT
from db import jobs, models
from db.choices import STUDIES
from db.jobs import Job
from db.models import ModelInfo
from db.requests import StudyRequest
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, read, texts, until

Open = Callable[..., AppTest]
ASKED = {
    "study": "recicl",
    "dataset": "simulated",
    "model": "embedded",
    "single": "s <b>",
    "recicl": "r",
    "users": 20,
    "periods": 10,
    "cut": 5,
}
WORDS = {
    "recicl": "fresh demonstrations",
    "drift": "fresh demonstrations",
    "strategies": "chosen and weighted for 12, chosen, all weights 1 for 2, no demonstrations for 6.",
    "faithfulness": "does not hold",
}


def ended(store: Store, how: str, asked: dict[str, Any] = ASKED, **values: Any) -> Job:
    """A study that ended `how`."""
    job = jobs.submit(store, "study", asked, jobs.BACKGROUND)
    jobs.claim(store, "me")
    if "partial" in values:
        jobs.heartbeat(store, job.id, "me", 0.5, "user 1 of 2", partial=values["partial"])
    if how == "done":
        jobs.finish(store, job.id, "me", values["result"])
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
    app = open_page("studies")
    assert not app.exception
    assert "No data set yet" in texts(app)


def test_without_a_study_the_room_says_so(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("studies")
    assert not app.exception
    assert "No study yet" in texts(app)
    assert "Without tuned models" not in texts(app), "it opens on a study that needs none"
    app.selectbox(key="study-what").set_value("recicl").run()
    assert "Without tuned models their rows are left out" in texts(app)


@pytest.mark.parametrize("kind", ["recicl", "drift", "strategies", "faithfulness"])
def test_a_study_from_start_to_sentence(open_page: Open, store: Store, kind: str) -> None:
    shop.stock(store)
    with FakeEngine(store):
        app = open_page("studies")
        app.selectbox(key="study-what").set_value(kind).run()
        button(app, "Start study").click().run()
        until(app, "In one sentence")
    assert not app.exception
    job = jobs.listing(store, kinds=["study"])[0]
    assert (job.priority, job.payload["study"], job.payload["dataset"]) == (
        jobs.BACKGROUND,
        kind,
        "simulated",
    )
    assert job.payload["model"] == "embedded"
    assert "no real <b>shopper</b>" in seen(app)
    assert WORDS[kind] in seen(app)


def test_a_running_study_shows_its_means_and_can_be_stopped(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "study", ASKED, jobs.BACKGROUND)
    jobs.claim(store, "me")
    jobs.heartbeat(store, job.id, "me", 0.5, "user 1 of 2", partial=fake_study.so_far(ASKED, 1))
    app = open_page("studies")
    assert not app.exception
    assert "NDCG@10 so far" in seen(app)
    button(app, "Stop study").click().run()
    assert jobs.get(store, job.id).stop_asked


@pytest.mark.parametrize("kind", ["drift", "strategies", "faithfulness"])
def test_the_live_table_is_sorted_and_has_intervals_and_labels(
    open_page: Open, store: Store, kind: str
) -> None:
    shop.stock(store)
    asked = {**ASKED, "study": kind}
    job = jobs.submit(store, "study", asked)
    jobs.claim(store, "me")
    partial = fake_study.so_far(asked, 3)
    jobs.heartbeat(store, job.id, "me", 0.5, "user 3 of 6", partial=partial)
    app = open_page("studies")
    assert not app.exception
    table = app.table[0].value
    cells = list(table.iloc[:, 1])
    means = [float(text.replace("*", "").split("\u00a0")[0]) for text in cells]
    assert means == sorted(means, reverse=True)
    assert all(" to " in text.replace("\u00a0", " ") for text in cells), "an interval in every row"
    assert [text.startswith("**") for text in cells] == [True] + [False] * (len(cells) - 1)
    assert set(table["users"]) == {"3"}
    names = next(iter(partial["so_far"].values()))
    assert not set(table[""]) & {name for name in names if "_" in name}, "labels, not stored names"


def test_the_first_user_has_no_interval() -> None:
    partial = {"so_far": {"ndcg10": {"bm25": {"mean": 0.5, "low": None, "high": None, "n": 1}}}}
    shown = study_text.so_far(partial)
    assert shown is not None
    assert list(shown[1].iloc[0]) == ["BM25", "**0.500**", "1"]
    assert study_text.so_far({"so_far": {"ndcg10": {}}}) is None


def test_a_study_says_whose_numbers_it_shows(open_page: Open, store: Store) -> None:
    shop.stock(store)
    jobs.submit(store, "study", ASKED)
    assert "embedded, s <b>, r on simulated · 20 users" in seen(open_page("studies"))


def asked_for(kind: str, **values: Any) -> dict[str, Any]:
    """A request as the form files it: with every field, whether the study reads it or not."""
    return StudyRequest(study=kind, dataset="simulated", **values).to_json()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            asked_for("strategies", k=4, only=("none", "bm25", "copy")),
            "compares no demonstrations, BM25 · 4 ",
        ),
        (asked_for("strategies", k=3), "strategies · 3 demonstrations"),
        (asked_for("faithfulness", demos="bm25:6"), "BM25 (6)"),
    ],
)
def test_a_running_study_names_what_it_compares(store: Store, asked: dict[str, Any], said: str) -> None:
    study = study_text.Study(jobs.submit(store, "study", asked))
    assert said in about(study)
    assert "neighbours' windows (4)" not in about(study), "of a field that this study does not read"


@pytest.mark.parametrize("kind", ["recicl", "drift", "strategies", "faithfulness"])
def test_the_one_sentence_is_one(store: Store, kind: str) -> None:
    asked = {**ASKED, "study": kind, "k": 4}
    found = {"study": kind, "dataset": "simulated", **getattr(fake_study, kind)(asked)}
    found["claim"] = "Highest is BM25, 0.512. It is not sure. Of 3 others 0.5 is p = 0.3. So it is."
    study = study_text.Study(ended(store, "done", asked, result=found))
    short, more = conclusion(study)
    assert len(sentences(short)) == 1
    assert len(short) < 220
    if kind != "drift":
        assert "It is not sure." in more, "what the result says of itself stands under it"


def test_the_main_result_of_strategies_is_the_best_beside_none(store: Store) -> None:
    asked = {**ASKED, "study": "strategies", "k": 4}
    found = {"dataset": "simulated", **fake_study.strategies(asked)}
    study = study_text.Study(ended(store, "done", asked, result=found))
    assert conclusion(study)[0].startswith("Highest on simulated is random windows, NDCG@10 0.")
    assert "; no demonstrations: 0." in conclusion(study)[0]
    assert conclusion(study)[0].endswith(", significantly less.")


def test_no_more_users_are_offered_than_the_data_set_has(open_page: Open, store: Store) -> None:
    few = shop.stock(store, "few", users=8)
    shop.stock(store, "many")
    app = open_page("studies")
    app.selectbox(key="study-dataset").set_value("many").run()

    def users() -> Any:
        return next(each for each in app.number_input if each.label == "Users")

    users().set_value(30).run()
    app.selectbox(key="study-dataset").set_value("few").run()
    assert not app.exception
    assert (few.users, users().value, users().max) == (8, 8, 8)
    button(app, "Start study").click().run()
    assert jobs.listing(store, kinds=["study"])[0].payload["users"] == 8


def test_a_study_has_a_link_and_survives_a_reload(open_page: Open, store: Store) -> None:
    shop.stock(store)
    first = ended(store, "done", result=fake_study.recicl(ASKED))
    with FakeEngine(store):
        app = open_page("studies")
        app.selectbox(key="study-what").set_value("strategies").run()
        button(app, "Start study").click().run()
        (started,) = (job for job in jobs.listing(store, kinds=["study"]) if job.id != first.id)
        assert app.query_params["study"] == str(started.id)
        until(app, "In one sentence")
    again = open_page("studies", study=str(first.id))
    assert "it is better than both" in seen(again)
    assert "RecICL on simulated" in [heading.value for heading in again.subheader]


def test_without_tuned_models_the_form_leads_to_tune_with_its_fields_filled_in(
    open_page: Open, store: Store
) -> None:
    shop.stock(store)
    shop.stock(store, "another")
    models.register(store, ModelInfo("big", "/models/big", "r", "Toy", 1000, 128))
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("recicl").run()
    app.selectbox(key="study-dataset").set_value("another").run()
    app.selectbox(key="study-model").set_value("big").run()
    assert any(toggle.label == "Tune missing models" for toggle in app.toggle)
    button(app, "Open Tune for big on another").click().run()
    assert not app.exception
    shown = {str(box.key).partition("~")[0]: box.value for box in app.selectbox}
    assert (shown["tune-dataset"], shown["tune-base"], shown["tune-what"]) == ("another", "big", "recicl")
    assert shown["tune-until"] == 5


def test_every_study_offers_its_candidates_scoring_and_history() -> None:
    for study in STUDIES.values():
        assert {"candidates", "candidate_kind", "scoring", "history"} <= set(study.asks), study.name


def test_a_stopped_study_goes_on_with_what_it_had(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = ended(store, "stopped", partial=fake_study.so_far(ASKED, 1))
    app = open_page("studies")
    assert "What it measured is kept" in texts(app)
    assert "so far" in seen(app)
    button(app, "Resume study").click().run()
    (again,) = jobs.listing(store, kinds=["study"])
    assert (again.id, again.state, again.partial) == (job.id, jobs.QUEUED, job.partial)


def test_a_failed_study_says_why_as_plain_text(open_page: Open, store: Store) -> None:
    shop.stock(store)
    ended(store, "failed", error="No model <b>r</b> :smile:")
    app = open_page("studies")
    assert any("No model <b>r</b> :smile:" in read(error.value) for error in app.error)
    assert button(app, "Resume study")


def test_a_finished_study_shows_table_tests_and_claim(open_page: Open, store: Store) -> None:
    shop.stock(store)
    ended(store, "done", result={"study": "recicl", "dataset": "simulated", **fake_study.recicl(ASKED)})
    app = open_page("studies")
    assert not app.exception
    assert "On simulated it is better than both" in seen(app)
    assert len(app.table[0].value) == 3
    assert list(app.table[0].value.columns)[1:] == [
        "zero\\-shot",
        "stale demonstrations",
        "fresh demonstrations",
    ]
    assert "s <b>" in seen(app)
    app.segmented_control[0].set_value("auc").run()
    assert not app.exception


def test_tuned_models_are_proposed(open_page: Open, store: Store) -> None:
    shop.stock(store)
    models.register(store, ModelInfo("mine", "/models/mine", "r", "Toy", 1000, 128))
    asked = {"dataset": "simulated", "layout": "recicl", "until": 4}
    tuning = jobs.submit(store, "tune", asked)
    jobs.claim(store, "me")
    jobs.finish(store, tuning.id, "me", {"model": "mine"})
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("recicl").run()
    assert "may know the answers" not in seen(app)
    button(app, "Start study").click().run()
    payload = jobs.listing(store, kinds=["study"])[0].payload
    assert (payload["recicl"], payload["single"], payload["cut"]) == ("mine", None, 4)


@pytest.mark.parametrize("until", [None, 7])
def test_a_model_tuned_on_later_periods_is_named_before_the_study_starts(
    open_page: Open, store: Store, until: int | None
) -> None:
    shop.stock(store)
    models.register(store, ModelInfo("*mine*", "/models/mine", "r", "Toy", 1000, 128))
    asked = {"dataset": "simulated", "layout": "recicl", "until": until}
    tuning = jobs.submit(store, "tune", asked)
    jobs.claim(store, "me")
    jobs.finish(store, tuning.id, "me", {"model": "*mine*"})
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("recicl").run()
    next(each for each in app.number_input if each.label == "Training periods").set_value(5).run()
    assert "*mine* was also tuned on later periods and may know the answers" in seen(app)


def test_drift_needs_times(open_page: Open, store: Store) -> None:
    shop.stock(store, timestamps=False)
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("drift").run()
    assert "has no timestamps" in texts(app)
    assert button(app, "Start study").disabled


def test_a_result_of_an_unknown_study_is_drawn_from_its_parts(open_page: Open, store: Store) -> None:
    shop.stock(store)
    cell = {"row": "effect_greedy", "column": "k_4", "ndcg10": {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 9}}
    ended(store, "done", {"study": "strategies", "dataset": "x"}, result={"cells": [cell]})
    app = open_page("studies")
    assert not app.exception
    assert "effect greedy" in seen(app)
    assert "holds no paired test" in seen(app)


def test_the_strategies_are_ranked_in_a_table_with_their_tests(open_page: Open, store: Store) -> None:
    shop.stock(store)
    asked = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20, "k": 4}
    ended(
        store, "done", asked, result={"study": "strategies", "dataset": "x", **fake_study.strategies(asked)}
    )
    app = open_page("studies")
    assert not app.exception
    table = app.table[0].value
    means = [float(text.replace("*", "").split("\u00a0")[0]) for text in table["NDCG@10"]]
    assert means == sorted(means, reverse=True)
    assert len(table) == len(fake_study.STRATEGIES)
    assert "none <i>x</i>" in seen(app)
    assert "Two-stage is not inferior on simulated" in seen(app)
    assert "< 0.001 :gray[Holm] **0.004**" in seen(app).replace("\u00a0", " ")
    assert "0.200 :gray[Holm] 1.000" in seen(app).replace("\u00a0", " ")
    assert "25%" in list(table["target shown"])
    assert len(table.columns) <= 5, "more do not fit beside the form at 1280 pixels"
    rest = app.table[1].value
    assert list(rest[""]) == list(table[""])
    assert set(rest.columns) >= {"against random", "against BM25", "shown", "choosing"}


def test_controls_say_what_the_model_adds(open_page: Open, store: Store) -> None:
    shop.stock(store)
    asked = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20, "k": 4}
    found = fake_study.strategies(asked)
    ended(store, "done", asked, result={"study": "strategies", "dataset": "x", **found})
    app = open_page("studies")
    assert not app.exception
    assert "What the model adds to its demonstrations" in seen(app)
    assert "The placebo is made up, too." in seen(app)
    added = app.table[2].value
    assert [read(text) for text in added["against"]] == [
        "placebo: answers permuted",
        "copy the answers (no model)",
    ]
    study = study_text.Study(jobs.listing(store, kinds=["study"])[0])
    assert conclusion(study)[1][-1].endswith("to copying: it is made up.")


def test_a_study_of_some_strategies_has_its_controls(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("studies")
    app.selectbox(key="study-what").set_value("strategies").run()
    next(each for each in app.get("button_group") if str(each.key).startswith("study-only")).set_value(
        ["mmr"]
    ).run()
    button(app, "Start study").click().run()
    asked = StudyRequest.from_json(jobs.listing(store, kinds=["study"])[0].payload)
    controls = ("placebo", "placebo-users", "copy", "copy-histories")
    assert asked.only == ("none", "random", "bm25", "neighbours", "mmr", *controls)


def test_faithfulness_can_be_read_against_each_truth(open_page: Open, store: Store) -> None:
    shop.stock(store)
    asked = {"study": "faithfulness", "dataset": "simulated", "users": 20, "demos": "neighbours:8"}
    ended(store, "done", asked, result={"study": "faithfulness", **fake_study.faithfulness(asked)})
    app = open_page("studies")
    assert not app.exception
    assert app.segmented_control[0].options == [
        "Shapley value by removal",
        "Shapley by reprompt",
    ]
    app.segmented_control[0].set_value("reprompt").run()
    app.segmented_control[1].set_value("top1").run()
    assert not app.exception
    assert {metric.label for metric in app.metric} >= {"Coverage", "Mean gain"}
    assert "2 left out with too few demonstrations" in seen(app)


def test_an_equal_finished_study_is_shown_not_repeated(open_page: Open, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store):
        app = open_page("studies")
        app.selectbox(key="study-what").set_value("strategies").run()
        button(app, "Start study").click().run()
        until(app, "In one sentence")
        app.run()
        button(app, "Show the stored result").click().run()
        assert len(jobs.listing(store, kinds=["study"])) == 1
        button(app, "Measure again").click().run()
        assert len(jobs.listing(store, kinds=["study"])) == 2


def test_dots_and_tables_take_what_is_there() -> None:
    asked = {"dataset": "d", "users": 20, "k": 4}
    rows, line = comparison_tables.strategy_dots(fake_study.strategies(asked), "ndcg10")
    assert [row.mean for row in rows] == sorted((row.mean for row in rows), reverse=True)
    assert line == fake_study.strategies(asked)["strategies"]["none"]["ndcg10"]["mean"]
    tested = [row for row in rows if not row.label.startswith(("none", *fake_study.CONTROLS))]
    assert {row.colour for row in tested} <= {"up", "down"}
    found = fake_study.faithfulness(asked)
    assert comparison_tables.score_dots(found, "exact", "spearman")[0].colour == "up"
    figure: Any = dots(comparison_tables.score_dots(found, "exact", "spearman"), "x", LIGHT, None, 1.0)
    assert any("&lt;b&gt;" in note.text for note in figure.layout.annotations)
    assert figure.layout.xaxis.range[1] <= 1.02
    for empty in ({}, {"scores": {"a": {"kind": "effect"}}}, {"strategies": {"none": {}}}):
        assert comparison_tables.score_dots(empty, "exact", "spearman") == []
        assert comparison_tables.strategy_dots(empty, "ndcg10") == ([], None)
        assert comparison_tables.gain_numbers(empty) == []
        assert comparison_tables.guard_sentence(empty) == ""


def test_whether_effects_can_be_trusted_is_said_from_both_truths() -> None:
    found = fake_study.faithfulness({"dataset": "<b>d</b>", "users": 20}) | {"dataset": "<b>d</b>"}
    found["scores"]["kriging"] = {
        "kind": "effect",
        **{k: found["scores"]["effect"][k] for k in ("exact", "reprompt")},
    }
    assert trusted(found) == (
        "On <b>d</b>, effects of turning a demonstration down can be trusted as predictions of exact ones "
        "(rank correlation 0.95) and can mostly be trusted as predictions of what dropping it does (rank "
        "correlation 0.85)."
    )
    assert other_scores(found) == [
        "Of the other scores, one gradient at weight 1 comes nearest to exact ones: rank correlation 0.60.",
        "Of the other scores, one gradient at weight 1 comes nearest to what dropping it does: rank "
        "correlation 0.50.",
    ]
    taken = found | {"k": 4, "estimators": {"kriging": {"passes": {"mean": 16.0, "max": 16}}}}
    assert "exact ones" not in trusted(taken), "an estimate from all subsets is no estimate"
    assert "exact ones" in trusted(taken | {"k": 8})
    assert trusted({}) == ""
    assert trusted({"scores": {"kriging": {"exact": {"spearman": {"mean": 0.2}}}}}).startswith(
        "On this data set, effects of turning a demonstration down cannot be trusted as predictions of exact"
    )


def test_verdicts_follow_p_and_sign() -> None:
    assert verdict({"mean": 0.1, "p": 0.01, "p_holm": 0.02}) == "better"
    assert verdict({"mean": -0.1, "p": 0.01, "p_holm": 0.02}) == "worse"
    assert verdict({"mean": 0.1, "p": 0.2, "p_holm": 0.4}) == "no clear difference"
    assert verdict({"mean": 0.1, "p": 0.01, "p_holm": 0.2}) == "not sure: one of several tests"
    assert verdict({"mean": 0.1, "p": 0.01}) == "not sure: one of several tests"


def test_a_difference_is_coloured_and_named_only_where_it_survives_the_correction() -> None:
    asked = {"dataset": "d", "users": 20, "k": 4}
    found = fake_study.strategies(asked)
    for test in found["tests"]:
        test["ndcg10"]["p_holm"] = 0.2
    rows, _ = comparison_tables.strategy_dots(found, "ndcg10")
    assert {row.colour for row in rows} == {"same"}
    assert ":blue" not in str(study_text.tests(found, "ndcg10").to_numpy())


def test_a_study_of_an_earlier_version_gives_no_verdict(open_page: Open, store: Store) -> None:
    """Its stored sentence rests on tests without a correction, so it is not repeated."""
    shop.stock(store)
    asked = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20, "k": 4}
    found = fake_study.strategies(asked)
    for test in found["tests"]:
        del test["ndcg10"]["p_holm"]
    ended(store, "done", asked, result={"study": "strategies", "dataset": "x", **found})
    app = open_page("studies")
    assert not app.exception
    assert "is not inferior on simulated" not in seen(app)
    assert "Run the study again for a verdict" in seen(app)


def test_the_best_cell_is_bold() -> None:
    found = fake_study.recicl(ASKED)
    best = max(cell["ndcg10"]["mean"] for cell in found["cells"])
    bold = [
        text for text in study_text.grid(found, "ndcg10").to_numpy().ravel() if str(text).startswith("**")
    ]
    assert len(bold) == 1
    assert f"{best:.3f}" in bold[0]


def test_the_drift_chart_names_every_line_once_and_apart() -> None:
    series = fake_study.drift({**ASKED, "study": "drift"})["series"]
    figure = drift(series, "NDCG@10", LIGHT)
    notes: Any = figure.layout["annotations"]
    named = [note.text for note in notes]
    assert sorted(named) == sorted(fake_study.SERIES.values())
    heights = sorted(note.y for note in notes)
    assert all(later - earlier > 0.04 for earlier, later in pairwise(heights))
    assert "LLM, fresh demonstrations from" in describe(series, "NDCG@10")


def test_a_bar_is_shown_with_its_verdict() -> None:
    bars = [{"verdict": said} for said in ("holds", "not sure", "does not hold")] + [{"holds": True}]
    shown = list(comparison_tables.bars_table({"bars": bars})["verdict"])
    assert shown == [
        ":blue[**holds**]",
        ":gray[**not sure**]",
        ":orange[**does not hold**]",
        ":blue[**holds**]",  # of an earlier version
    ]


def known_titles(store: Store) -> Job:
    """A study of contamination that is done."""
    asked = {"study": "contamination", "dataset": "simulated", "model": "embedded", "users": 20}
    found = {"study": "contamination", "dataset": "simulated", **fake_study.contamination(asked)}
    found["model"] = {"model": "embedded", "revision": models.get(store, "embedded").revision}
    return ended(store, "done", asked, result=found)


def test_what_a_model_knows_is_shown_beside_its_controls(open_page: Open, store: Store) -> None:
    shop.stock(store)
    known_titles(store)
    app = open_page("studies")
    assert not app.exception
    evidence, rankings, tested = (table.value for table in app.table)
    says = [":blue[**a sign**]", "no sign", "too few to say"]
    assert list(evidence["says"]) == [f"{state} :gray[n 30]" for state in says]
    assert len(evidence.columns) <= 5, "more do not fit beside the form at 1280 pixels"
    assert list(rankings[""]) == ["real titles", "made\\-up titles"]
    assert list(rankings.columns)[1:] == ["zero\\-shot", "with demonstrations"]
    assert list(tested["against"]) == ["made\\-up titles\\, zero\\-shot"]
    assert "embedded knows titles of simulated" in seen(app)
    assert "How far the model knows this catalogue" not in seen(app)


def test_other_studies_say_what_the_model_knew(open_page: Open, store: Store) -> None:
    shop.stock(store)
    asked = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20, "k": 4}
    result = {"study": "strategies", "dataset": "simulated", **fake_study.strategies(asked)}
    ended(store, "done", asked, result=result)
    told = "not measured: dualens study contamination -d simulated -m embedded"
    assert f"How far the model knows this catalogue: {told}" in seen(open_page("studies"))
    number = known_titles(store).id
    app = open_page("studies", study=str(number - 1))
    assert f"it completes 40.0% of them. (study {number})" in seen(app)
