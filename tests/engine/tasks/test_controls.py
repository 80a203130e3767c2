"""Placebos in a run, and leaving out what shows the target's item: both are said, and are another run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets
from db.errors import BadInput
from db.requests import Chosen, RunRequest, StudyRequest, request_notes
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.tasks import results
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.free_text import free
from engine.tasks.inputs import gather, shows_target
from engine.tasks.rank import rank
from tests.toys import toy_columns

REQUEST = RunRequest(dataset="toy", user="u8", model="tiny", demos="random:6", candidates=2)
"""Of nine items each bought again and again: some windows show the target's, some do not."""


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=9, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


def test_what_shows_the_targets_item_is_left_out_after_the_choice(engine: Engine) -> None:
    whole = gather(resolve(engine, replace(REQUEST, weights=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))))
    places = [shows_target(entry, whole.query) for entry in whole.chosen]
    assert None in places
    assert {"answer", "history"} & set(places)
    less = gather(
        resolve(engine, replace(REQUEST, weights=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), exclude_target_item=True))
    )
    kept = [at for at, place in enumerate(places) if place is None]
    assert less.chosen == tuple(whole.chosen[at] for at in kept)
    assert less.weights == tuple(whole.weights[at] for at in kept)
    assert less.excluded == 6 - len(kept)
    target = whole.target.item_id
    assert all(target not in (*e.demonstration.history, e.demonstration.answer) for e in less.chosen)


def test_a_run_says_how_many_were_left_out_and_what_that_means(engine: Engine) -> None:
    whole, less = rank(engine, REQUEST), rank(engine, replace(REQUEST, exclude_target_item=True))
    gone = len(whole.result["demonstrations"]) - len(less.result["demonstrations"])
    assert less.result["excluded"] == gone > 0
    assert less.key != whole.key
    [said] = results.run_view(less, less.request)["notes"]  # and not that only so many of this kind exist
    assert f"{gone} of 6 demonstrations" in said
    assert "chooses nothing" in said
    assert results.run_view(whole, whole.request)["notes"] == []
    named = tuple(Chosen(view["id"]) for view in whole.result["demonstrations"])
    again = rank(engine, replace(REQUEST, demonstrations=named, exclude_target_item=True))
    assert again.key == less.key
    assert request_notes(again.request, again.result) == [said]


def test_where_nothing_shows_it_the_run_is_the_same_and_says_so(engine: Engine) -> None:
    kept = rank(engine, replace(REQUEST, exclude_target_item=True)).result["demonstrations"]
    plain = replace(REQUEST, demonstrations=tuple(Chosen(view["id"]) for view in kept))
    first, same = rank(engine, plain), rank(engine, replace(plain, exclude_target_item=True))
    assert same.key == first.key
    assert (
        "nothing was left out" in results.run_view(same, replace(plain, exclude_target_item=True))["notes"][0]
    )
    none = replace(plain, demonstrations=(), exclude_target_item=True)
    assert "There is no demonstration" in results.run_view(rank(engine, none), none)["notes"][0]


def test_a_title_of_its_own_that_names_the_target_shows_it(engine: Engine) -> None:
    inputs = gather(resolve(engine, REQUEST))
    entry = next(entry for entry in inputs.chosen if shows_target(entry, inputs.query) is None)
    other = replace(entry.answer, item_id="", title=f" {inputs.target.title.upper()}  ")
    assert shows_target(replace(entry, answer=other), inputs.query) == "answer"
    assert shows_target(replace(entry, history=[other, *entry.history]), inputs.query) == "history"


def test_effects_and_recommendations_leave_it_out_too(engine: Engine) -> None:
    request = replace(REQUEST, exclude_target_item=True, scoring="sum")
    run, measured = effects(engine, request)
    shown = [view["id"] for view in run.result["demonstrations"]]
    assert [entry["id"] for entry in measured.result["demonstrations"]] == shown
    for found in (recommend(engine, request, top=2), free(engine, request, top=1)):
        assert [view["id"] for view in found["demonstrations"]] == shown
        assert f"{run.result['excluded']} of 6" in found["notes"][0]


def test_a_placebo_says_what_it_is_and_is_a_run_of_its_own(engine: Engine) -> None:
    run = rank(engine, replace(REQUEST, demos="placebo:3", control_of="random"))
    [said] = results.run_view(run, run.request)["notes"]
    assert said.startswith("Placebo:")
    assert said.endswith("They take the place of random windows.")
    named = tuple(Chosen(view["id"]) for view in run.result["demonstrations"])
    same = rank(engine, replace(REQUEST, demonstrations=named))
    assert same.result["items"] == run.result["items"]
    assert same.result["notes"] == []
    assert same.key != run.key
    others = rank(engine, replace(REQUEST, demos="placebo-users:3", control_of="random"))
    assert "tokens on average, the windows they stand for" in others.result["notes"][0]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadInput, match="prescore: placebo:2 changes what neighbours chose"):
        replace(REQUEST, demos="placebo:2", prescore="tiny")
    with pytest.raises(BadInput, match="control_of: 'placebo' is none of random"):
        replace(REQUEST, control_of="placebo")
    with pytest.raises(BadInput, match="'placebo:4' is a control"):
        StudyRequest("recicl", "toy", demos="placebo:4")
