"""Forgetting: nothing computed with it is served, a run says what was, and the check finds the rest."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import datasets, forgotten, jobs, judging, outside, policies, runs, sets
from db.canonical import canonical_json
from db.errors import BadInput
from db.models import ModelInfo, register
from db.outside import Lists, Scored
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs.handlers import HANDLERS
from engine.policy.made import policy_of
from engine.tasks import forgetting
from engine.tasks.baseline_lists import baseline_lists
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.pool import pool
from engine.tasks.rank import rank
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)
BOUGHT = {"kind": "purchase", "user": "u8", "item": "i10"}  # the third of eight


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


def test_a_run_with_it_is_not_served_and_the_new_one_says_what_was_forgotten(engine: Engine) -> None:
    before = rank(engine, ASKED)
    assert "forgotten" not in before.result
    [told] = forgetting.forget(engine, "toy", BOUGHT)["forgotten"]
    after = rank(engine, ASKED)
    assert not after.cached
    assert after.key != before.key
    assert "i10" in {row["item"] for row in before.result["history"]}
    assert "i10" not in {row["item"] for row in after.result["history"]}
    assert after.result["forgotten"] == [{k: v for k, v in told.items() if k not in ("key", "words")}]
    assert after.result["target"]["item"] == before.result["target"]["item"]
    assert after.result["candidates"]["fingerprint"] == before.result["candidates"]["fingerprint"]
    assert rank(engine, ASKED).cached
    kept = runs.by_key(engine.store, before.key)
    assert kept is not None
    assert kept.result == before.result, "what was stored stays as it was"
    assert forgetting.remember(engine, "toy", None)["forgotten"] == []
    again = rank(engine, ASKED)
    assert (again.key, again.cached) == (before.key, True)


def test_effects_pools_and_other_lists_read_through_the_layer(engine: Engine) -> None:
    forgetting.forget(engine, "toy", {"kind": "item", "item": "i10"})
    run, _ = effects(engine, ASKED)
    text = canonical_json([run.result, pool(engine, ASKED, ("neighbours", "proximal", "global"), 8)])
    text += canonical_json([baseline_lists(engine, run), recommend(engine, ASKED, 20)])
    told = run.result["forgotten"]
    assert '"i10"' not in text.replace(canonical_json(told), "")
    for hint in ("popularity", "itemknn", "bm25"):
        hinted = rank(engine, replace(ASKED, hint=hint))
        assert '"i10"' not in canonical_json({**hinted.result, "forgotten": []})


def test_a_study_asks_the_same_users_and_computes_anew(engine: Engine) -> None:
    from db.requests import StudyRequest
    from engine.studies.plan import last_purchases

    asked = StudyRequest(study="strategies", dataset="toy", users=6)
    users = [question.user_id for question in last_purchases(engine, asked).questions]
    forgetting.forget(engine, "toy", BOUGHT)
    plan = last_purchases(engine, asked)
    assert [question.user_id for question in plan.questions] == users
    assert plan.dataset.fingerprint != "toy"


def test_a_job_forgets_lists_and_undoes(engine: Engine) -> None:
    job: Any = HANDLERS["forget"]
    [told] = job(engine, {"dataset": "toy", "forget": BOUGHT}, lambda *_: None)["forgotten"]
    assert told["words"] == "purchase 3 of user u8: Game number 10 (i10)"
    checked = job(engine, {"dataset": "toy"}, lambda *_: None)
    assert [place["place"] for place in checked["places"]] == ["the data set as imported"]
    assert job(engine, {"dataset": "toy", "undo": [told["key"]]}, lambda *_: None)["forgotten"] == []
    for wrong in ({}, {"kind": "purchase", "user": "u8"}, {"kind": "all"}):
        with pytest.raises(BadInput, match="Name what is to be forgotten"):
            job(engine, {"dataset": "toy", "forget": wrong}, lambda *_: None)


def test_the_check_finds_every_place_that_still_knows(
    engine: Engine, tmp_path: Path, model_folder: Callable[..., Path]
) -> None:
    store = engine.store
    near = replace(ASKED, user="u9")  # whose neighbours' windows show what u8 bought
    shown = rank(engine, replace(near, demos="neighbours:8"))
    demo = next(d for d in shown.result["demonstrations"] if "u8" in d["user"])
    position = next(
        row.position
        for row in datasets.history(store, 1, datasets.user(store, 1, "u8").user)
        if row.item_id == demo["answer"]["item"]
    )
    own = rank(engine, ASKED)
    other = rank(engine, replace(ASKED, user="u1", demos="none"))
    info = datasets.get(store, "toy")
    sets.save(store, info, "mine", sets.members([demo]))
    fixed = replace(near, demonstrations=(Chosen(demo["id"]),))
    policies.note(store, policy_of(engine, fixed))
    rank(engine, replace(ASKED, candidate_kind="popular"))  # keeps an index of the data set
    folder = model_folder("qwen2")
    (folder / "RECIPE.json").write_text(json.dumps({"data_fingerprint": "toy"}))
    register(store, ModelInfo("tuned", str(folder), "r", "Qwen2ForCausalLM", 1, 512))
    outside.save(store, info, Lists(), "theirs", {"u8": Scored("f", [1.0])})
    study = jobs.submit(store, "study", {"dataset": "toy", "study": "strategies"})
    assert jobs.claim(store, "me") is not None
    jobs.finish(store, study.id, "me", {"tables": []})

    pairs = [judging.make(store, judging.with_and_without([run.key])) for run in (own, shown)]
    judged, elsewhere = (judging.create(store, name, made) for name, made in zip("ab", pairs, strict=True))
    judging.delete(store, judged.id)

    answer = demo["answer"]["item"]
    forgetting.forget(engine, "toy", {**BOUGHT, "item": answer, "position": position})
    checked = forgetting.check(engine, "toy")
    found = {place["place"]: place for place in checked["places"]}
    assert set(found) == set(forgetting.PLACES) - {"kept results of the optimizer"}
    assert shown.key in found["stored runs"]["examples"]
    assert own.key in found["stored runs"]["examples"]
    assert other.key not in found["stored runs"]["examples"]
    assert demo["id"] in found["demonstrations"]["examples"]
    assert found["named sets"]["examples"][0].startswith("mine@")
    assert found["tuned models"]["examples"] == ["tuned"]
    assert found["studies and tunings"]["examples"] == [f"study {study.id}"]
    assert found["outside systems"]["examples"] == ["theirs (20 random candidates, seed 0, target test)"]
    assert found["blind comparisons"]["examples"] == [f"{judged.id} (a)"], (
        f"not {elsewhere.id}: of another user"
    )
    assert all(place["advice"] for place in found.values())
    with pytest.raises(BadInput, match="shows something that is forgotten"):
        rank(engine, fixed)
    forgetting.remember(engine, "toy", None)
    assert rank(engine, fixed).result["demonstrations"][0]["id"] == demo["id"]
    assert forgetting.check(engine, "toy")["places"] == []


def test_forgetting_the_last_purchase_moves_the_target(engine: Engine) -> None:
    before = rank(engine, ASKED)
    forgetting.forget(engine, "toy", {**BOUGHT, "item": before.result["target"]["item"]})
    after = rank(engine, ASKED)
    assert after.result["target"]["item"] == before.result["history"][-1]["item"]
    assert forgotten.entries(datasets.get(engine.store, "toy"))[0].position == 7


def test_a_set_says_that_what_it_leaves_out_is_forgotten(engine: Engine) -> None:
    """Not that it is not known yet, which is something else; the policy of a set says it too."""
    found = rank(engine, replace(ASKED, user="u9")).result["demonstrations"]
    demo = next(one for one in found if "," not in one["user"])
    info = datasets.get(engine.store, "toy")
    sets.save(engine.store, info, "mine", sets.members(found))
    forgetting.forget(
        engine, "toy", {"kind": "purchase", "user": demo["user"], "item": demo["answer"]["item"]}
    )
    asked = replace(ASKED, user="u9", demos="set:mine")
    result = rank(engine, asked).result
    said = "were left out: they show something that is forgotten."
    gone = result["set"]["forgotten"]
    if len(gone) == 1:
        said = "was left out: it shows something that is forgotten."
    assert demo["id"] in gone
    assert result["set"]["unknown"] == []
    told = f"{len(gone)} of the {len(found)} demonstrations of the set 'mine' {said}"
    assert told in result["notes"]
    assert told in policy_of(engine, asked).notes
