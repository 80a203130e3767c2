"""Runs: first writer wins, served with their timing, found again, deleted with undo; effects beside them."""

from dataclasses import replace

import pytest

from db import runs
from db.errors import BadInput, NotFound
from db.requests import Chosen, RunRequest
from db.runs import Filter, Run
from db.store import Store


def make(number: int = 0, **changes) -> Run:
    result = {
        "items": [{"item": "i1", "title": "Zelda", "rank": 1, "score": -3.25, "is_target": True}],
        "metrics": {"rank": 1, "ndcg10": 1.0, "zero_shot": {"rank": 4}},
        "loss": 3.25,
        "loss_zero_shot": 4.5,
        "target": {"item": "i1", "title": "Pokémon Rouge", "position": 4},
        "demonstrations": [{"id": "d1"}, {"id": "d2"}],
    }
    run = Run(
        key=f"{number:064x}",
        request=RunRequest("toy", "u1", demos="recent:2", weights=(1.0, 0.5)),
        request_digest=f"digest {number}",
        dataset_id=None,
        user_id="u1",
        model="embedded",
        result=result,
        timings_ms={"total": 12.5},
        created_at=1000.0 + number,
    )
    return replace(run, **changes)


def keys(found: list[runs.RunSummary]) -> list[int]:
    return [int(summary.key, 16) for summary in found]


def test_a_run_comes_back_whole(store: Store) -> None:
    run = make(tags=["a"], note="n", starred=True)
    assert runs.save(store, run) == run
    assert runs.by_key(store, run.key) == replace(run, cached=True)
    assert runs.by_request(store, "digest 0") == replace(run, cached=True)
    assert runs.by_key(store, "other") is None
    assert runs.by_request(store, "other") is None


def test_the_first_writer_wins_and_keeps_its_timing(store: Store) -> None:
    first = make()
    runs.save(store, first)
    again = runs.save(store, replace(first, timings_ms={"total": 1.0}, created_at=9999.0, note="new"))
    assert again == replace(first, cached=True)


def test_two_requests_may_lead_to_one_run(store: Store) -> None:
    run = make()
    runs.save(store, run)
    explicit = RunRequest("toy", "u1", demonstrations=(Chosen("d1"), Chosen("d2", 0.5)))
    runs.save(store, replace(run, request=explicit, request_digest="explicit"))
    for digest in ("digest 0", "explicit"):
        found = runs.by_request(store, digest)
        assert found is not None
        assert found.request == run.request


def test_a_key_may_be_shortened(store: Store) -> None:
    runs.save(store, make(key="abcdef1" + "0" * 57))
    runs.save(store, make(1, key="abcdef2" + "0" * 57))
    assert runs.get(store, "abcdef1").key.startswith("abcdef1")
    with pytest.raises(NotFound, match="More than one"):
        runs.get(store, "abcdef")
    for key in ("abcde", "abcdef3", "%%%%%%", "______", ""):
        with pytest.raises(NotFound, match="no run"):
            runs.get(store, key)


def test_the_list_is_light_and_newest_first(store: Store) -> None:
    for number in range(5):
        runs.save(store, make(number))
    found = runs.listing(store)
    assert keys(found) == [4, 3, 2, 1, 0]
    assert keys(runs.page(store, limit=2, after=found[0].key).runs) == [3, 2]
    summary = found[0]
    assert (summary.dataset, summary.user_id, summary.model) == ("toy", "u1", "embedded")
    assert (summary.title, summary.demonstrations) == ("Pokémon Rouge", 2)
    assert (summary.loss, summary.loss_zero_shot, summary.metrics["rank"]) == (3.25, 4.5, 1)
    assert summary.request == make().request
    assert not hasattr(summary, "result")


def test_a_run_without_metrics_has_a_summary(store: Store) -> None:
    runs.save(store, make(result={}))
    summary = runs.listing(store)[0]
    assert (summary.metrics, summary.loss, summary.title, summary.demonstrations) == ({}, None, "", 0)


def test_runs_are_found_by_what_they_are(store: Store) -> None:
    runs.save(store, make(0))
    runs.save(store, make(1, user_id="u2", request=RunRequest("toy", "u2")))
    runs.save(store, make(2, model="big", starred=True))
    runs.save(store, make(3, request=RunRequest("games", "u1"), note="Look: 100% better", tags=["Méthode"]))
    assert keys(runs.listing(store, Filter(dataset="games"))) == [3]
    assert keys(runs.listing(store, Filter(user="u2"))) == [1]
    assert keys(runs.listing(store, Filter(model="big"))) == [2]
    assert keys(runs.listing(store, Filter(starred=True))) == [2]
    assert keys(runs.listing(store, Filter(starred=False, dataset="toy"))) == [1, 0]
    assert keys(runs.listing(store, Filter(search="pokemon ROUGE"))) == [3, 2, 1, 0]
    assert keys(runs.listing(store, Filter(search="methode"))) == [3]
    assert keys(runs.listing(store, Filter(search="100%"))) == [3]
    assert keys(runs.listing(store, Filter(search="rouge big"))) == [2]
    assert keys(runs.listing(store, Filter(search="_"))) == []
    assert keys(runs.listing(store, Filter(search="'"))) == []


def test_runs_are_found_by_strategy_and_key_and_counted(store: Store) -> None:
    chosen = RunRequest("toy", "u1", demos="recent:2", demonstrations=(Chosen("d1"),))
    runs.save(store, make(0, request=RunRequest("toy", "u1", demos="bm25:4")))
    runs.save(store, make(1, request=RunRequest("toy", "u1", demos="twostage:4")))
    runs.save(store, make(2, request=chosen, request_digest="chosen"))
    runs.save(store, make(0, key="abcdef" + "1" * 58))
    bare = {**make().result, "demonstrations": []}
    runs.save(store, make(3, request=RunRequest("toy", "u1", demos="none"), result=bare))
    assert keys(runs.listing(store, Filter(search="BM25"))) == [0]
    assert keys(runs.listing(store, Filter(search="two-stage optimization"))) == [1]
    assert keys(runs.listing(store, Filter(search="custom set"))) == [2]
    assert keys(runs.listing(store, Filter(search="recent"))) == [int("abcdef" + "1" * 58, 16)], (
        "the set's own"
    )
    assert keys(runs.listing(store, Filter(search="no demonstrations"))) == [3]
    assert len(runs.listing(store, Filter(search="abcdef"))) == 1
    assert runs.listing(store, Filter(search="bcdef1")) == []
    assert len(runs.listing(store, Filter(with_demonstrations=True))) == 4
    assert runs.count(store) == 5
    assert runs.count(store, Filter(search="bm25")) == 1
    assert runs.count(store, Filter(with_demonstrations=True)) == 4


def test_a_runs_own_summary_is_the_listed_one(store: Store) -> None:
    run = runs.save(store, make(tags=["a"], note="n", starred=True))
    assert runs.listing(store) == [runs.summary(run)]


def test_notes_tags_and_stars(store: Store) -> None:
    run = make()
    runs.save(store, run)
    runs.annotate(store, run.key, note="for \x00 Monday", tags=["demo", " demo ", "", "good"])
    runs.annotate(store, run.key, starred=True)
    found = runs.get(store, run.key)
    assert (found.note, found.tags, found.starred) == ("for � Monday", ["demo", "good"], True)
    assert keys(runs.listing(store, Filter(search="monday good"))) == [0]
    runs.annotate(store, run.key, note="", tags=[], starred=False)
    found = runs.get(store, run.key)
    assert (found.note, found.tags, found.starred) == ("", [], False)
    assert runs.listing(store, Filter(search="monday")) == []
    with pytest.raises(BadInput, match="tags"):
        runs.annotate(store, run.key, tags="demo")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        runs.annotate(store, "other", note="x")


def test_deleting_hides_and_restoring_brings_back(store: Store) -> None:
    run = make()
    runs.save(store, run)
    runs.delete(store, run.key)
    assert runs.listing(store) == []
    assert runs.by_key(store, run.key) is None
    assert runs.by_request(store, run.request_digest) is None
    with pytest.raises(NotFound):
        runs.annotate(store, run.key, note="x")
    runs.restore(store, run.key)
    assert keys(runs.listing(store)) == [0]
    runs.delete(store, run.key)
    assert runs.save(store, replace(run, timings_ms={})).timings_ms == {"total": 12.5}
    assert keys(runs.listing(store)) == [0]
    for change in (runs.delete, runs.restore):
        with pytest.raises(NotFound):
            change(store, "other")


def test_effects_stay_with_their_run(store: Store) -> None:
    run = make()
    runs.save(store, run)
    options = {"estimator": "exact", "leave_one_out": True}
    saved = runs.save_effects(
        store, run.key, "e1", options, {"measure": "margin", "effect_total": 1.25}, {"total": 3.0}
    )
    assert saved.options == options
    late = runs.save_effects(
        store, run.key, "e1", options, {"measure": "margin", "effect_total": 1.25}, {"total": 99.0}
    )
    assert late == saved
    runs.save_effects(store, run.key, "e2", {}, {"measure": "loss"}, {})
    assert {one.effects_key for one in runs.effects(store, run.key)} == {"e1", "e2"}
    assert runs.find_effects(store, "e1") == saved
    assert runs.find_effects(store, "e3") is None
    assert runs.effects(store, "other") == []


def test_numbers_that_are_no_numbers_are_refused(store: Store) -> None:
    with pytest.raises(BadInput, match=r"loss is nan"):
        runs.save(store, make(result={"loss": float("nan")}))
    assert runs.listing(store) == []
