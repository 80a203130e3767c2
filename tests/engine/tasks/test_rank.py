"""From a request to a stored run, on a tiny random model: caching, identity of runs, effects, no leakage."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db import datasets, demonstrations, runs
from db.choices import HISTORY_WAYS
from db.datasets import DatasetColumns
from db.demonstrations import hand_written
from db.effect_results import together
from db.errors import BadInput, ModelError, NotFound
from db.requests import Chosen, RunRequest, request_digest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.prompts import Dropped
from engine.tasks import results
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.pool import pool
from engine.tasks.rank import rank
from tests.toys import toy_columns


def insert(store: Store, columns: DatasetColumns, fingerprint: str = "toy") -> None:
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint=fingerprint, report={})


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    insert(store, toy_columns(users=12, items=30, length=8))
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)


def test_a_run_is_stored_and_served_with_its_original_timing(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rank(engine, request_)
    assert not first.cached
    monkeypatch.setattr(engine, "load", lambda info: pytest.fail("a cached run must not load a model"))
    again = rank(engine, request_)
    assert again.cached
    assert (again.key, again.result, again.timings_ms) == (first.key, first.result, first.timings_ms)


def test_auto_is_the_way_of_scoring_the_model_was_made_for(
    engine: Engine, request_: RunRequest, model_folder: Callable[..., Path]
) -> None:
    auto = rank(engine, request_)
    assert auto.request.scoring == "calibrated"
    assert rank(engine, replace(request_, scoring="calibrated")).key == auto.key
    found = runs.by_request(engine.store, request_digest(engine.store, request_))
    assert found is not None
    assert found.key == auto.key
    folder = model_folder("llama")
    for recipe, scoring in (
        ('{"scoring": "yes_no"}', "yes_no"),
        ('{"scoring": 3}', "calibrated"),
        ("[]", "calibrated"),
    ):
        (folder / "RECIPE.json").write_text(recipe)
        assert rank(engine, replace(request_, model=str(folder))).request.scoring == scoring


def test_the_lists_are_ordered_and_hold_the_target_once(engine: Engine, request_: RunRequest) -> None:
    result = rank(engine, request_).result
    for name, metrics in (("items", result["metrics"]), ("zero_shot", result["metrics"]["zero_shot"])):
        rows = result[name]
        assert [row["rank"] for row in rows] == list(range(1, 7))
        scores = [row["score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
        [target] = [row for row in rows if row["is_target"]]
        assert target["rank"] == metrics["rank"]
        assert target["item"] == result["target"]["item"]
    assert {row["item"] for row in result["items"]} == {row["item"] for row in result["zero_shot"]}


def test_naming_the_demonstrations_gives_the_run_of_the_strategy(
    engine: Engine, request_: RunRequest
) -> None:
    chosen = rank(engine, request_)
    ids = [demo["id"] for demo in chosen.result["demonstrations"]]
    assert len(ids) == 3
    by_name = rank(engine, replace(request_, demonstrations=tuple(Chosen(i) for i in ids)))
    assert by_name.key == chosen.key
    assert by_name.cached
    other_order = tuple(Chosen(i) for i in reversed(ids))
    assert rank(engine, replace(request_, demonstrations=other_order)).key != chosen.key


def test_a_weight_changes_run_and_scores(engine: Engine, request_: RunRequest) -> None:
    plain = rank(engine, request_)
    heavy = rank(engine, replace(request_, weights=(1.0, 0.0, 2.5)))
    assert heavy.key != plain.key
    assert heavy.result["zero_shot"] == plain.result["zero_shot"]
    assert {r["item"]: r["score"] for r in heavy.result["items"]} != {
        r["item"]: r["score"] for r in plain.result["items"]
    }


def test_zero_demonstrations_means_zero(engine: Engine, request_: RunRequest) -> None:
    run, found = effects(engine, replace(request_, demos="none"), leave_one_out=True)
    assert run.result["demonstrations"] == []
    assert run.result["items"] == run.result["zero_shot"]
    assert found.result["demonstrations"] == []
    assert found.result["effect_total"] == 0.0
    assert found.result["value"] == found.result["value_zero_shot"]
    assert found.result["value"] == pytest.approx(run.result["margin"], abs=1e-4)
    assert found.result["readings"]["loss"]["value"] == pytest.approx(run.result["loss"], abs=1e-4)


@pytest.mark.parametrize("measure", ["margin", "loss"])
@pytest.mark.parametrize("estimator", ["exact", "kriging", "aumann"])
def test_effects_sum_to_the_measured_effect(
    engine: Engine, request_: RunRequest, estimator: str, measure: str
) -> None:
    run, found = effects(
        engine, request_, estimator=estimator, leave_one_out=True, mode="direct", measure=measure
    )
    view = results.effects_view(run, found)
    gain = (view["value"] - view["value_zero_shot"]) * (1 if measure == "margin" else -1)
    assert (view["measure"], view["mode"]) == (measure, "direct")
    assert view["effect_total"] == pytest.approx(gain, abs=1e-9)
    total = sum(demo["effect"] for demo in view["demonstrations"])
    assert total == pytest.approx(gain, abs=1e-4 if estimator != "aumann" else 0.05 * abs(gain) + 1e-3)
    assert view["value"] == pytest.approx(run.result[measure], abs=2e-4)
    assert view["zero_shot"] == pytest.approx(run.result[f"{measure}_zero_shot"], abs=2e-4)
    assert view["readings"]["loss"]["value"] == pytest.approx(run.result["loss"], abs=2e-4)
    assert [demo["id"] for demo in view["demonstrations"]] == [d["id"] for d in run.result["demonstrations"]]
    assert all(demo["leave_one_out"] is not None and demo["mass"] > 0 for demo in view["demonstrations"])
    nats = [demo["loss_effect"] for demo in view["demonstrations"]]
    if measure == "margin" and estimator == "aumann":
        assert nats == [None] * 3  # would take gradients of another measure
    else:
        assert sum(nats) == pytest.approx(view["readings"]["loss"]["effect_total"], abs=0.05)
    sure = [demo["interval"] == [demo["effect"]] * 2 for demo in view["demonstrations"]]
    assert sure == [estimator != "aumann"] * 3


def test_both_answers_come_by_default_and_each_is_stored(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict | None] = []
    stored: list[list[str]] = []

    def report(share: float | None, message: str = "", partial: dict | None = None) -> None:
        if partial:
            said.append(partial)
            stored.append([one.result["mode"] for one in runs.effects(engine.store, partial["run"])])

    run, found = effects(engine, request_, leave_one_out=True, report=report)
    assert stored == [["direct"]], "turning down is there before dropping is measured"
    by_mode = {one.result["mode"]: one for one in runs.effects(engine.store, run.key)}
    assert said == [{"run": run.key, "removal": by_mode["direct"].effects_key}]
    assert by_mode.keys() == {"direct", "reprompt"}
    assert found.effects_key == by_mode["reprompt"].effects_key
    assert found.result == together(by_mode["direct"].result, by_mode["reprompt"].result)
    # Without weights, dropping all of them is the list without demonstrations.
    assert found.result["value_zero_shot"] == pytest.approx(run.result["margin_zero_shot"], abs=1e-4)
    monkeypatch.setattr(engine, "load", lambda info: pytest.fail("stored effects must not load a model"))
    assert effects(engine, request_, leave_one_out=True)[1] == found
    assert effects(engine, request_)[1].result == found.result, "the richer measurement serves"


def test_dropping_told_from_turning_down_is_stored_under_its_own_name(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.llm.explain import effects as explaining

    asked = replace(request_, demos="neighbours:4")
    with pytest.raises(BadInput, match="Use mode auto"):
        effects(engine, asked, estimator="difference", mode="reprompt")
    monkeypatch.setattr(explaining.Known, "narrow", lambda *_: True)
    _, told = effects(engine, asked, estimator="difference")
    assert (told.result["estimator"], told.result["passes"]) == ("difference", 10)
    assert any("10 of 16 prompts were read" in note for note in told.result["notes"])
    _, true = effects(engine, asked, estimator="exact")
    assert (true.result["estimator"], true.result["passes"]) == ("exact", 16)
    for near, far in zip(told.result["demonstrations"], true.result["demonstrations"], strict=True):
        assert near["interval"][0] <= far["effect"] <= near["interval"][1]
    assert effects(engine, asked, mode="reprompt")[1].effects_key == told.effects_key, (
        "auto takes what is there"
    )
    with pytest.raises(BadInput, match="Use mode auto"):
        effects(engine, asked, estimator="difference", mode="total")


def test_what_is_known_of_effects_that_take_long_is_reported_meanwhile(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.llm.explain import effects as explaining

    monkeypatch.setitem(explaining.SLOW, "cpu", 0)
    heard: list[tuple[str, dict]] = []

    def report(share: float | None, message: str = "", partial: dict | None = None) -> None:
        if partial is not None:
            heard.append((message, partial["estimate"]))

    run, found = effects(engine, replace(request_, demos="neighbours:4"), mode="direct", report=report)
    ids = [row["id"] for row in run.result["demonstrations"]]
    assert [message for message, _ in heard] == [
        "one gradient so far, then 16 passes",
        "10 of 16 passes so far, with 95 % intervals",
    ]
    for (_, told), estimator in zip(heard, ("gradient", "kriging"), strict=True):
        assert json.loads(json.dumps(told)) == told
        assert told["run"] == run.key
        assert (told["measure"], told["mode"], told["estimator"]) == ("margin", "direct", estimator)
        assert [row["id"] for row in told["demonstrations"]] == ids
        assert all((row["interval"] is None) == (estimator == "gradient") for row in told["demonstrations"])
    assert [row["effect"] for row in heard[1][1]["demonstrations"]] == pytest.approx(
        [row["effect"] for row in found.result["demonstrations"]], abs=0.5
    )


@pytest.mark.parametrize(
    ("mode", "weights", "why"),
    [
        ("reprompt", (1.0, 0.0, 1.0), "a demonstration of weight 0 is not in the prompt"),
        ("total", (0.2, 3.0, 0.2), "weights count for what later demonstrations read, too"),
    ],
)
def test_effects_that_do_not_end_at_the_list_say_why(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch, mode: str, weights: tuple, why: str
) -> None:
    monkeypatch.setattr(results, "NOTICED", 1e-9)  # a tiny random model hardly cares
    run, found = effects(engine, replace(request_, weights=weights), mode=mode)
    end, listed = found.result["value"], run.result["margin"]
    assert abs(end - listed) > 1e-6
    [said] = [note for note in found.result["notes"] if "effects end at" in note]
    assert f"The effects end at {end:.2f}, the list with demonstrations is at {listed:.2f} (" in said
    assert why in said
    monkeypatch.setattr(results, "NOTICED", 1e-3)
    _, turned = effects(engine, replace(request_, weights=weights), mode="direct")
    assert not any("effects end at" in note for note in turned.result["notes"])


def test_an_estimator_of_weights_has_no_drop_and_says_so(engine: Engine, request_: RunRequest) -> None:
    _, found = effects(engine, request_, estimator="aumann")
    assert found.result["mode"] == "direct"
    assert "What dropping a demonstration does was not measured" in found.result["notes"][-1]


@pytest.mark.parametrize("wrong", [{"measure": "ndcg"}, {"mode": "drop"}, {"estimator": "strata"}])
def test_what_is_no_choice_is_refused_before_any_work(
    engine: Engine, request_: RunRequest, wrong: dict[str, str]
) -> None:
    with pytest.raises(BadInput, match="Choose one of"):
        effects(engine, request_, **wrong)  # type: ignore[arg-type]
    assert runs.listing(engine.store) == []


def test_what_comes_after_the_probe_decides_nothing(
    tmp_path: Path, settings: Settings, model_folder: Callable[..., Path], request_: RunRequest
) -> None:
    """Curating on the probe sees nothing of the held-out purchase: change it, and nothing else changes."""
    seen = []
    for number, last in enumerate((20, 21)):
        columns = toy_columns(users=12, items=30, length=8)
        columns.item[np.flatnonzero(columns.user == 8)[-1]] = last
        here = Settings(home=tmp_path / f"w{number}", device="cpu", dtype="float32")
        with Store.open(here) as store:
            insert(store, columns)
            engine = Engine(store, here)
            engine.register("tiny", str(model_folder("llama")))
            probe = replace(request_, target="probe")
            run, found = effects(engine, probe, leave_one_out=True)
            seen.append((run.result["demonstrations"], run.result["history"], found.result))
    assert seen[0] == seen[1]


def test_a_demonstration_from_the_future_is_refused(engine: Engine, request_: RunRequest) -> None:
    late = pool(engine, request_, ["proximal"], 12)
    newest = max(late, key=lambda demo: demo["timestamp"])
    curated = replace(request_, target="probe", demonstrations=(Chosen(newest["id"]),))
    with pytest.raises(BadInput, match="not known yet"):
        rank(engine, curated)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"user": "nobody"}, NotFound, "nobody"),
        ({"dataset": "toys"}, NotFound, "toy"),
        ({"model": "tinny"}, ModelError, "tiny"),
        ({"demos": "magic:2"}, BadInput, "magic"),
        ({"candidates": 1000}, BadInput, "candidates"),
        ({"demonstrations": (Chosen("0123456789abcdef"),)}, NotFound, "0123456789abcdef"),
    ],
)
def test_a_bad_request_says_what_is_wrong_and_stores_nothing(
    engine: Engine, request_: RunRequest, change: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        rank(engine, replace(request_, **change))
    assert runs.listing(engine.store) == []


def test_changed_weights_on_disk_make_a_new_run(engine: Engine, request_: RunRequest) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    first = rank(engine, request_)
    folder = Path(engine.registered("tiny").source)
    tensors = load_file(folder / "model.safetensors")
    name = next(n for n in tensors if "mlp" in n)
    tensors[name] = tensors[name] + torch.ones_like(tensors[name])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    second = rank(engine, request_)
    assert not second.cached
    assert second.key != first.key


def test_the_history_shown_depends_on_its_way_and_not_on_the_target(
    engine: Engine, request_: RunRequest
) -> None:
    """The demonstrations stay those of the recent history; those that show the same items are one run."""
    recent = rank(engine, replace(request_, history=3))
    ways = {way: rank(engine, replace(request_, history=3, history_by=way)) for way in HISTORY_WAYS}
    assert ways["recent"].key == recent.key
    shown = {tuple(row["item"] for row in run.result["history"]) for run in ways.values()}
    assert len({run.key for run in ways.values()}) == len(shown) > 1
    for run in ways.values():
        assert len(run.result["history"]) == 3
        assert run.result["demonstrations"] == recent.result["demonstrations"]
        assert run.result["target"]["item"] not in [row["item"] for row in run.result["history"]]
    with pytest.raises(BadInput, match="candidate list"):
        recommend(engine, replace(request_, history_by="semantic"))


def test_a_history_that_made_room_is_whole_in_the_list_without_demonstrations(
    engine: Engine, request_: RunRequest
) -> None:
    config = Path(engine.registered("tiny").source) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "max_position_embeddings": 260}))
    bare, *others = (
        rank(engine, replace(request_, demos=demos)) for demos in ("none", "neighbours:3", "random:3")
    )
    assert bare.result["prompt"]["dropped"] == []
    for run in others:
        lost = [row["kind"] for row in run.result["prompt"]["dropped"]].count("history")
        assert lost > 0
        assert [row["item"] for row in run.result["zero_shot"]] == [r["item"] for r in bare.result["items"]]
        assert run.result["loss_zero_shot"] == pytest.approx(bare.result["loss"], abs=1e-5)
        [note] = [note for note in run.result["notes"] if "make room" in note]
        assert f"make room for the demonstrations, {lost} oldest history item" in note
        assert "do not add up" in note
    found = recommend(engine, replace(request_, demos="neighbours:3", scoring="sum"))
    assert any("make room" in note for note in found["notes"])
    alone = recommend(engine, replace(request_, demos="none", scoring="sum"))
    assert "notes" not in alone
    assert [row["item"] for row in found["zero_shot"]] == [row["item"] for row in alone["items"]]


@pytest.mark.parametrize(
    ("history", "demos", "bare", "words"),
    [
        (0, 0, 0, None),
        (
            2,
            1,
            2,
            "longer than the model's context: 2 oldest history items and 1 demonstration were left out.",
        ),
        (0, 1, 0, "longer than the model's context: 1 demonstration was left out."),
        (3, 0, 0, "3 oldest history items were left out of their prompt.* shows them all"),
        (3, 2, 1, "and 2 demonstrations were left out of their prompt.* shows 2 more of them"),
    ],
)
def test_what_was_left_out_is_one_sentence(history: int, demos: int, bare: int, words: str | None) -> None:
    def lost(kind: str, count: int) -> list[Dropped]:
        return [Dropped(kind, i, "x", 1) for i in range(count)]

    told = results.no_room([*lost("history", history), *lost("demo", demos)], lost("history", bare))
    assert len(told) == (words is not None)
    assert words is None or re.search(words, told[0])


def test_several_prompts_average_the_scores_of_each(engine: Engine, request_: RunRequest) -> None:
    run = rank(engine, replace(request_, demos="neighbours:2", prompts=3))
    assert run.result["prompts"] == [2, 2, 2]
    ids = [demo["id"] for demo in run.result["demonstrations"]]
    assert len(set(ids)) == 6
    alone = [
        rank(engine, replace(request_, demonstrations=tuple(map(Chosen, ids[i : i + 2])))) for i in (0, 2, 4)
    ]
    for row in run.result["items"]:
        scores = [next(r["score"] for r in one.result["items"] if r["item"] == row["item"]) for one in alone]
        assert row["score"] == pytest.approx(np.mean(scores), abs=1e-6)
    assert run.result["loss"] == pytest.approx(np.mean([one.result["loss"] for one in alone]), abs=1e-6)
    assert run.result["zero_shot"] == alone[0].result["zero_shot"]
    best = rank(engine, replace(request_, demos="neighbours:6")).result["demonstrations"]
    assert [ids[1], ids[3], ids[5]] == [demo["id"] for demo in best[:-4:-1]]
    with pytest.raises(BadInput, match="one prompt"):
        effects(engine, replace(request_, prompts=2))


def test_strategies_by_meaning_and_budgets_ask_the_model(engine: Engine, request_: RunRequest) -> None:
    run = rank(engine, replace(request_, demos="mmr:3"))
    assert len(run.result["demonstrations"]) == 3
    budget = rank(engine, replace(request_, demos="neighbours:400t"))
    bare = rank(engine, replace(request_, demos="none"))
    assert len(budget.result["demonstrations"]) > 0
    assert budget.result["prompt"]["tokens"] - bare.result["prompt"]["tokens"] <= 400


def test_a_folder_that_holds_no_sentence_encoder_is_refused(
    engine: Engine, request_: RunRequest, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"embedding: .*modules\.json"):
        rank(engine, replace(request_, demos="embedding:3", embedding=str(tmp_path)))


def test_a_demonstration_in_a_persons_own_words_is_ranked_with(engine: Engine, request_: RunRequest) -> None:
    dataset = datasets.get(engine.store, "toy")
    made = hand_written(dataset, ["A thing of my own", "Tetris"], "Portal 2")
    demonstrations.save_many(engine.store, [made])
    run = rank(engine, replace(request_, demonstrations=(Chosen(made.id, 2.0),)))
    [shown] = run.result["demonstrations"]
    assert (shown["source"], shown["answer"]["title"], shown["weight"]) == ("hand-written", "Portal 2", 2.0)
    assert "A thing of my own" in shown["text"]
    assert any("written by hand" in note for note in run.result["notes"])
    bare = rank(engine, replace(request_, demos="none"))
    assert run.result["loss"] != bare.result["loss"]
    offered = pool(engine, request_, ["neighbours", "hand-written"], 4)
    assert [view["source"] for view in offered] == ["neighbours"] * 4 + ["hand-written"]
    _, found = effects(engine, run.request)
    assert len(found.result["demonstrations"]) == 1
