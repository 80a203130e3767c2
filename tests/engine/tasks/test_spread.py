"""Requests under edits of the dual model: rankings, effects, the whole catalogue, and spreads as jobs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.choices import EDITS
from db.errors import BadInput
from db.requests import RunRequest, request_digest
from db.runs import Run
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.demos.dislikes import disliked_titles
from engine.jobs import handlers
from engine.progress import quiet
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.free_text import free
from engine.tasks.rank import rank
from engine.tasks.spread import perturbation_stats
from tests.toys import toy_columns

ITEMS = 30


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=ITEMS, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    fond = replace(columns, rating=np.full(len(columns.user), 4, dtype=np.float32))
    datasets.insert(store, "fond", fond, kind="generic", source="test", fingerprint="fond", report={})
    mute = replace(columns, rating=None)
    datasets.insert(store, "mute", mute, kind="generic", source="test", fingerprint="mute", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)


def scores(run: Run) -> dict[str, float]:
    return {row["item"]: row["score"] for row in run.result["items"]}


@pytest.mark.parametrize("text", ["ridge:0.5", "negatives:1", "weights:0.5", "order", "typos:0.5+values:0.5"])
def test_an_edit_makes_a_run_of_its_own_and_leaves_zero_shot_alone(
    engine: Engine, request_: RunRequest, text: str
) -> None:
    plain, edited = rank(engine, request_), rank(engine, replace(request_, perturb=text))
    assert edited.key != plain.key
    assert scores(edited) != scores(plain)
    assert edited.result["zero_shot"] == plain.result["zero_shot"]
    assert "Ranked under" in edited.result["notes"][-1]
    assert rank(engine, replace(request_, perturb=text)).cached


def test_spelling_and_the_seed_of_what_is_not_drawn_make_no_other_run(
    engine: Engine, request_: RunRequest
) -> None:
    first = rank(engine, replace(request_, perturb="ridge:0.5"))
    again = rank(engine, replace(request_, perturb="ridge:0.50"))
    assert again.key == first.key
    half = rank(engine, replace(request_, weights=(0.5, 0.5, 0.5)))
    assert scores(first) == pytest.approx(scores(half), abs=1e-6)
    old = request_digest(engine.store, request_)
    assert request_digest(engine.store, replace(request_, perturb=None)) == old
    assert request_digest(engine.store, replace(request_, perturb="order")) != old


def test_several_prompts_are_each_perturbed(engine: Engine, request_: RunRequest) -> None:
    two = replace(request_, demos="neighbours:2", prompts=2)
    assert scores(rank(engine, replace(two, perturb="ridge:0"))) == pytest.approx(
        scores(rank(engine, two)), abs=1e-6
    )
    assert scores(rank(engine, replace(two, perturb="ridge:0.9"))) != scores(rank(engine, two))


def test_effects_explain_a_prompt_under_ridge_and_refuse_chance(engine: Engine, request_: RunRequest) -> None:
    run, found = effects(engine, replace(request_, perturb="ridge:0.5+negatives:0.5"))
    assert found.result["mode"] == "reprompt", "the shorter prompts are edited too"
    assert found.result["value"] == pytest.approx(run.result["margin"], abs=1e-4)
    assert found.result["value_zero_shot"] == pytest.approx(run.result["margin_zero_shot"], abs=1e-4)
    with pytest.raises(BadInput, match="spread"):
        effects(engine, replace(request_, perturb="order"))


@pytest.mark.parametrize("text", ["ridge:0.5", "negatives:1", "ridge:0.3+negatives:0.4"])
def test_the_whole_catalogue_is_scored_as_ranking_scores_it(
    engine: Engine, request_: RunRequest, text: str
) -> None:
    asked = replace(request_, perturb=text, scoring="sum", weights=(0.5, 1.0, 2.0))
    found = recommend(engine, asked, top=ITEMS, width=100)
    known = {row["item"]: row["score"] for row in found["items"]}
    for item, score in scores(rank(engine, asked)).items():
        assert known[item] == pytest.approx(score, abs=1e-4)
    with pytest.raises(BadInput, match="chance"):
        recommend(engine, replace(asked, perturb="dropout"))
    with pytest.raises(BadInput, match="chance"):
        free(engine, replace(asked, perturb="values"))


def test_free_writing_is_edited_too(engine: Engine, request_: RunRequest) -> None:
    gone = replace(request_, perturb="ridge:1")
    assert free(engine, gone, 3)["text"] == free(engine, replace(request_, weights=(0.0,) * 3), 3)["text"]


def test_disliked_is_what_was_rated_low_before_the_target(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = resolve(engine, request_)
    dataset, query = context.dataset, context.query
    own = datasets.history(engine.store, dataset.id, query.user)
    low = [one.title for one in own[:-1] if one.rating is not None and one.rating < 3]
    assert low
    monkeypatch.setattr(datasets, "history", None)  # which may be long: it is not read
    assert disliked_titles(engine.store, dataset, query, "negatives") == tuple(low)
    context = resolve(engine, replace(request_, target="probe"))
    dataset, query = context.dataset, context.query
    assert set(disliked_titles(engine.store, dataset, query, "negatives")) <= {one.title for one in own[:-2]}


@pytest.mark.parametrize(("dataset", "words"), [("fond", "rated nothing below"), ("mute", "no ratings")])
def test_negatives_without_dislikes_are_refused_clearly(
    engine: Engine, request_: RunRequest, dataset: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        rank(engine, replace(request_, dataset=dataset, perturb="negatives"))
    with pytest.raises(BadInput, match=words):
        perturbation_stats(engine, replace(request_, dataset=dataset), ["negatives"], 2)
    found = perturbation_stats(engine, replace(request_, dataset=dataset), draws=2)
    assert [one["name"] for one in found["left_out"]] == ["negatives"]
    assert [one["name"] for one in found["kinds"]] == [name for name in EDITS if name != "negatives"]


def test_a_spread_is_a_job_that_tells_mean_deviation_and_robust_effect(
    engine: Engine, request_: RunRequest
) -> None:
    told: list[str] = []
    payload = {"request": request_.to_json(), "kinds": ["weights:0.8", "order", "ridge:0"], "draws": 4}
    found = handlers.spread_job(engine, payload, lambda share, text="", partial=None: told.append(text))
    _, measured = effects(engine, request_, mode="direct")
    ids = [one["id"] for one in measured.result["demonstrations"]]
    assert found["demonstrations"] == ids
    plain = {one["id"]: one["effect"] for one in measured.result["demonstrations"]}
    assert found["plain"]["effects"] == pytest.approx(plain, abs=1e-5)
    weights, order, ridge = found["kinds"]
    for kind in (weights, order):
        assert kind["draws"] == 4
        for one in (*kind["effects"].values(), kind["total"]):
            assert one["std"] > 0
            assert one["robust"] == pytest.approx(one["mean"] - one["std"])
        assert kind["value"]["robust"] == pytest.approx(kind["value"]["mean"] - kind["value"]["std"])
    assert {i: ridge["effects"][i]["mean"] for i in ids} == pytest.approx(plain, abs=1e-5)
    assert (ridge["draws"], ridge["total"]["std"]) == (1, 0.0)
    assert found == handlers.spread_job(engine, payload, quiet)
    assert any("weight noise" in text for text in told)
    nats = handlers.spread_job(engine, {**payload, "measure": "loss"}, quiet)
    _, measured = effects(engine, request_, mode="direct", measure="loss")
    plain = {one["id"]: one["effect"] for one in measured.result["demonstrations"]}
    assert nats["plain"]["effects"] == pytest.approx(plain, abs=1e-5)
    of_loss = nats["kinds"][0]["value"]
    assert of_loss["robust"] == pytest.approx(of_loss["mean"] + of_loss["std"])


def test_a_spread_takes_one_prompt_as_it_stands(engine: Engine, request_: RunRequest) -> None:
    for change in ({"prompts": 2}, {"perturb": "order"}):
        with pytest.raises(BadInput, match="one prompt"):
            perturbation_stats(engine, replace(request_, **change))
    with pytest.raises(BadInput, match="measure"):
        perturbation_stats(engine, request_, ["order"], measure="ndcg")
    with pytest.raises(BadInput, match="kappa"):
        perturbation_stats(engine, request_, ["order"], 2, -1)
    nothing = perturbation_stats(engine, replace(request_, demos="none"), ["weights", "order"], 2)
    assert nothing["demonstrations"] == []
    assert [one["total"]["mean"] for one in nothing["kinds"]] == [0.0, 0.0]
