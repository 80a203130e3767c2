"""What the page says beyond the leaderboard: pairs of rows, what quality costs, rules, demonstrations over
users."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.experiments import across_card, frontier_card, pair_text, selector_card
from dashboard.screens.experiments.effect_chart import describe_effects, effect_points
from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.screens.experiments.frontier_chart import describe_frontier, frontier
from dashboard.screens.experiments.gain_chart import describe_gains, gain_bars
from dashboard.ui.theme import DARK, LIGHT
from db import datasets, demonstrations, jobs, sets
from db.demonstrations import Demonstration
from db.requests import ExperimentRequest
from db.store import Store
from engine.studies.experiments.pair import pair
from tests.dashboard.screens.experiments.test_page import ended, seen
from tests.support import fake_experiment, shop
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, named, texts, until

Open = Callable[..., AppTest]
ASKED = ExperimentRequest(
    "simulated", users=20, demos=("none", "neighbours:4"), baselines=("popularity",), effects=True
)


def finished(store: Store, request: ExperimentRequest = ASKED) -> Experiment:
    """A finished experiment whose demonstrations are stored."""
    info = datasets.get(store, "simulated")
    items = datasets.catalogue(store, info.id).item_ids
    kept = [
        Demonstration(name, info.id, "neighbours", "shopper 0001", (items[0],), items[1], 1, None)
        for name in fake_experiment.DEMONSTRATIONS
    ]
    demonstrations.save_many(store, kept)
    return Experiment(ended(store, "done", request))


def test_two_rows_are_compared_user_by_user(open_page: Open, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    experiment = finished(store)
    with FakeEngine(store):
        app = open_page("experiments")
        until(app, "Users by gain")
        assert not app.exception
        said = seen(app)
        assert "neighbours:4 <b>:x:</b> against none <b>:x:</b>: +" in said
        assert "gains most (rank " in said
        assert "Rank correlation (Spearman) of effect and gain: " in said
        assert "solved only with" in said
        for zone in pair_text.ZONES:
            named(app.selectbox, f"experiment-zone-{experiment.job.id}").set_value(zone).run()
            assert not app.exception, zone
        named(app.selectbox, f"experiment-to-{experiment.job.id}").set_value("popularity").run()
        until(app, "popularity <b>:x:</b> (baseline) against none")
    assert not app.exception
    filed = jobs.listing(store, kinds=["experiment_pair"])
    assert {job.payload["with"] for job in filed} == {"neighbours:4", "popularity"}
    open_page("experiments")
    assert len(jobs.listing(store, kinds=["experiment_pair"])) == len(filed), (
        "what was found is not asked twice"
    )


def test_the_same_row_twice_and_a_pair_whose_cells_are_gone(open_page: Open, store: Store) -> None:
    shop.stock(store)
    experiment = finished(store)
    with FakeEngine(
        store, errors={"experiment_pair": "The store holds the cells of these <b>rows</b> no longer."}
    ):
        app = open_page("experiments")
        until(app, "of these <b>rows</b> no longer")
        named(app.selectbox, f"experiment-to-{experiment.job.id}").set_value("none").run()
    assert not app.exception
    assert "Choose two different rows." in texts(app)


def test_zones_and_gains_are_told_in_words(store: Store) -> None:
    shop.stock(store)
    experiment = finished(store)
    found = pair(store, experiment.job.id, "none", "neighbours:4")
    table = pair_text.zones_table(found, 10)
    assert sum(int(number) for number in table["users"]) == ASKED.users
    in_zones = [row["user"] for zone in pair_text.ZONES for row in pair_text.of_zone(found, 10, zone)]
    assert sorted(in_zones) == sorted(row["user"] for row in pair_text.users_of(found))
    users = pair_text.users_of(found)
    assert [row["gain"] for row in users] == sorted((row["gain"] for row in users), reverse=True)
    for palette in (LIGHT, DARK):
        bars: Any = gain_bars(users, "NDCG@10", palette)
        assert list(bars.data[0].y) == [row["gain"] for row in users]
        assert bars.data[0].marker.color[0] == palette.up
    points: Any = effect_points(users, "NDCG@10", LIGHT)
    assert len(points.data[0].x) == len(users)
    assert "gain" in describe_gains(users, "NDCG@10")
    assert "rank correlation" in describe_effects(users, found["gains"]["effect"])


@pytest.mark.parametrize("found", [{}, {"zones": [], "gains": {"users": []}}, {"gains": {}}])
def test_a_pair_of_another_version_says_what_it_has(found: dict[str, Any]) -> None:
    assert pair_text.users_of(found) == []
    assert pair_text.depths(found) == []
    assert pair_text.zones_table(found, 10).empty
    assert pair_text.correlated(found) == ""
    assert pair_text.ends(found) == ""


def test_what_quality_costs_has_tokens_and_time(store: Store) -> None:
    shop.stock(store)
    experiment = finished(store)
    known = frontier_card.known(experiment)
    assert list(known) == ["tokens", "time"]
    found = known["tokens"]
    figure: Any = frontier(found["rows"], "tokens", LIGHT, found["best"], found["cheapest"])
    assert len(figure.data[1].x) == len(found["rows"])
    assert "star" in figure.data[1].marker.symbol
    assert "at 120 tokens" in describe_frontier(found["rows"], "tokens")


def test_names_of_points_that_lie_together_stand_apart() -> None:
    rows = [
        {"key": "a", "label": "a", "cost": 140, "ndcg10": 0.519, "on": True},
        {"key": "b", "label": "b", "cost": 146, "ndcg10": 0.518, "on": True},
        {"key": "c", "label": "c", "cost": 600, "ndcg10": 0.3, "on": True},
    ]
    figure: Any = frontier(rows, "tokens", LIGHT)
    shifts = {each.text: each.yshift for each in figure.layout.annotations if each.text in "abc"}
    assert shifts["a"] > 0 > shifts["b"]
    assert shifts["c"] > 0


def test_a_rule_is_first_offered_for_the_reference_and_its_model_s_best_row(store: Store) -> None:
    shop.stock(store)
    models = ("embedded", "second")
    request = ExperimentRequest(
        "simulated",
        users=8,
        model=models,
        demos=("none", "random:4", "neighbours:4"),
        reference="second,none",
    )
    experiment = Experiment(ended(store, "done", request))
    without, with_ = selector_card.choices(experiment)
    assert without == ["embedded,none", "second,none"]
    best = selector_card.best_with(experiment, "second,none", with_)
    reached = {row["key"]: row["measures"]["ndcg10"]["mean"] for row in experiment.rows}
    own = [key for key in with_ if key.startswith("second,")]
    assert best == max(own, key=lambda key: reached[key])


def test_helpful_demonstrations_become_a_shared_set(open_page: Open, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    experiment = finished(store)
    app = open_page("experiments")
    assert not app.exception
    assert "Demonstrations over users" in texts(app)
    job = experiment.job.id
    app.text_input(key=f"experiment-set-name-{job}").set_value("helpful").run()
    app.number_input(key=f"experiment-set-many-{job}").set_value(2).run()
    button(app, "Save the set").click().run()
    assert not app.exception
    assert any("2 demonstrations" in each.value for each in app.success)
    kept = sets.get(store, datasets.get(store, "simulated").id, "helpful")
    assert kept.shared
    assert [one.id for one in kept.members] == experiment.found["across_users"]["helps"][:2]
    app.text_input(key=f"experiment-set-name-{job}").set_value("a/b").run()
    button(app, "Save the set").click().run()
    assert any("cannot be used" in each.value for each in app.error)


def test_a_set_of_a_data_set_that_is_gone_is_refused(store: Store, home: object, open_page: Open) -> None:
    shop.stock(store)
    experiment = finished(store)
    datasets.delete(store, "simulated")
    app = open_page("experiments")
    assert not app.exception
    job = experiment.job.id
    app.text_input(key=f"experiment-set-name-{job}").set_value("helpful").run()
    button(app, "Save the set").click().run()
    assert not app.exception
    assert any("simulated" in each.value for each in app.error)


def test_demonstrations_that_are_gone_keep_their_ids() -> None:
    row = {"id": "abc", "mean": 0.2, "low": 0.1, "high": 0.3, "p_holm": 0.01}
    table = across_card.table([row], {})
    assert "abc" in table["demonstration"].iloc[0]
    assert table["helped / hurt"].iloc[0] == "– / –"


def test_a_rule_is_learned_and_shown(open_page: Open, store: Store) -> None:
    shop.stock(store)
    finished(store)
    with FakeEngine(store):
        app = open_page("experiments")
        button(app, "Learn the rule").click().run()
        until(app, "Show demonstrations where <b>few</b> items were bought.")
    assert not app.exception
    assert "needs the target" in seen(app)
    [job] = jobs.listing(store, kinds=["experiment_selector"])
    assert job.payload["rows"] == ["none", "neighbours:4"]


def test_an_experiment_of_baselines_alone_has_no_pairs_of_models(open_page: Open, store: Store) -> None:
    shop.stock(store)
    ended(store, "done", ExperimentRequest("simulated", users=8, demos=("none",)))
    app = open_page("experiments")
    assert not app.exception
    assert "Two rows, user by user" not in texts(app), "there is one row"
    assert "Learn the rule" not in [each.label for each in app.button]
