"""What a request leaves open is settled once, from what the store has."""

from dataclasses import replace

import pytest

from db import templates
from db.endpoints import Endpoint, Ways
from db.errors import BadInput, NotFound
from db.models import ModelInfo
from db.requests import OptimizeRequest, RunRequest, StudyRequest
from db.requests.settled import ENCODER, STATES, settled
from db.store import Store

REQUEST = RunRequest(dataset="toy", user="u1")
LOCAL = ModelInfo("m", "/m", "r", "llama", 1, 512, {})


def test_a_settled_request_names_one_text_and_a_scoring_it_has(store: Store) -> None:
    asked = RunRequest(dataset="toy", user="u1", template="mine")
    kept = templates.save(store, "mine", "one", ("yes_no",))
    named = settled(store, asked, LOCAL)
    assert (named.template, named.scoring) == (kept.reference, "yes_no")
    assert settled(store, named, LOCAL) == named
    plain = settled(store, REQUEST, LOCAL)
    assert (plain.template, plain.scoring) == ("plain", "calibrated")
    with pytest.raises(BadInput, match="free is for models behind an endpoint"):
        settled(store, replace(REQUEST, scoring="free"), LOCAL)
    with pytest.raises(NotFound):
        settled(store, RunRequest(dataset="toy", user="u1", template="gone@0123"), LOCAL)


WAYS = [
    Ways(prompt="echo", text=True),
    Ways(next=20, text=True),
    Ways(chat_next=20, chat=True),
    Ways(text=True),
    Ways(chat=True),
]


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: Endpoint("http://h/v1", "m", ways=ways).best)
@pytest.mark.parametrize("template", ["plain", "llmrank-recency", "tallrec", "words"])
def test_auto_at_an_endpoint_is_a_scoring_that_its_probe_found(
    store: Store, template: str, ways: Ways
) -> None:
    templates.save(store, "words", "free alone", ("free",))
    far = served(ways)
    assert far.endpoint is not None
    _, known = templates.named(store, template)
    meant = settled(store, replace(REQUEST, template=template), far).scoring
    possible = [each for each in known if each in far.endpoint.scorings]
    assert meant in far.endpoint.scorings
    assert (meant in possible) == bool(possible)


def test_auto_of_a_model_that_is_here_is_never_free_text(store: Store) -> None:
    templates.save(store, "words", "free alone", ("free",))
    assert settled(store, replace(REQUEST, template="words"), LOCAL).scoring == "calibrated"


def served(ways: Ways) -> ModelInfo:
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "m", ways=ways)
    details = {"endpoint": endpoint.as_dict(), "scoring": endpoint.best}
    return ModelInfo("far", endpoint.source, "r", "endpoint", 0, 4096, details)


CONVERSES = replace(LOCAL, details={"turns": True})


@pytest.mark.parametrize("asked", [REQUEST, OptimizeRequest(dataset="toy", user="u1")])
def test_demonstrations_are_turns_where_the_models_chat_template_writes_them(
    store: Store, asked: RunRequest | OptimizeRequest
) -> None:
    assert settled(store, asked, LOCAL).turns == "one"
    assert settled(store, asked, replace(LOCAL, details={"turns": False})).turns == "one"
    assert settled(store, asked, CONVERSES).turns == "chat"
    assert settled(store, replace(asked, turns="one"), CONVERSES).turns == "one"
    assert settled(store, replace(asked, turns="chat"), LOCAL).turns == "chat"


@pytest.mark.parametrize(
    "older", [REQUEST, OptimizeRequest(dataset="toy", user="u1"), StudyRequest("strategies", "toy")]
)
def test_what_was_stored_before_there_were_turns_had_one_and_keeps_its_digest(
    older: RunRequest | OptimizeRequest | StudyRequest,
) -> None:
    one = replace(older, turns="one")
    stored = one.to_json()
    assert "turns" not in stored
    assert type(older).from_json(stored) == one
    assert type(older).from_fields(stored).turns == older.turns == "auto"
    assert type(older).from_json(older.to_json()) == older


EMBEDDING = {
    "embedding:4": {},
    "mmr:4": {},
    "placebo:4": {"control_of": "votek"},
    "none": {"history_by": "semantic"},
}


@pytest.mark.parametrize("demos", EMBEDDING)
def test_titles_are_compared_by_the_encoder_that_was_fetched(store: Store, demos: str) -> None:
    asked = replace(REQUEST, demos=demos, **EMBEDDING[demos])
    assert settled(store, asked, LOCAL).embedding is None
    (store.settings.models / ENCODER).mkdir(parents=True)
    assert settled(store, asked, LOCAL).embedding == ENCODER
    assert settled(store, replace(asked, embedding=STATES), LOCAL).embedding == STATES
    assert settled(store, replace(asked, embedding="/other"), LOCAL).embedding == "/other"


@pytest.mark.parametrize("demos", ["none", "bm25:4", "neighbours:4", "placebo:4"])
def test_what_compares_no_titles_needs_no_encoder(store: Store, demos: str) -> None:
    (store.settings.models / ENCODER).mkdir(parents=True)
    assert settled(store, replace(REQUEST, demos=demos), LOCAL).embedding is None
    named = replace(REQUEST, demos="mmr:4", demonstrations=())
    assert settled(store, named, LOCAL).embedding is None
    assert settled(store, OptimizeRequest(dataset="toy", user="u1"), LOCAL).scoring == "calibrated"
