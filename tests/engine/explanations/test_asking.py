"""Asking for explanations: what is refused, and every row as a job and as a command."""

import json
from dataclasses import replace

import pytest

from db import endpoints, models
from db.choices import EXPLANATIONS
from db.errors import BadInput
from db.requests import RunRequest
from engine.commands.inspecting import kept
from engine.context import Engine
from engine.explanations.asking import explained, listed, short, signed
from engine.jobs.handlers import HANDLERS
from engine.progress import quiet
from engine.registry import implementation


@pytest.mark.parametrize("part", EXPLANATIONS)
def test_every_row_gives_json_with_a_sentence_and_tables(
    engine: Engine, request_: RunRequest, part: str
) -> None:
    told: list[float] = []

    def report(progress: float | None, *_: object) -> None:
        told.extend([] if progress is None else [progress])

    result = HANDLERS["explain"](engine, {"part": part, "request": request_.to_json(), "run": "x"}, report)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["said"].endswith(".")
    assert len(result["demonstrations"]) == 3
    for columns, rows in implementation("engine.explanations", EXPLANATIONS[part]).tables(result):
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    assert told == sorted(told), "a bar never goes back"
    assert all(0 <= each <= 1 for each in told)


def test_what_was_asked_for_once_is_served_from_the_store(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept(engine, "tokens", request_)
    monkeypatch.setitem(HANDLERS, "explain", lambda *_: pytest.fail("computed again"))
    assert kept(engine, "tokens", request_) == first


def test_what_cannot_be_explained_is_refused(engine: Engine, request_: RunRequest) -> None:
    def refused(match: str, **changes: object) -> None:
        with pytest.raises(BadInput, match=match):
            explained(engine, "tokens", replace(request_, **changes), quiet)  # type: ignore[arg-type]

    refused("no demonstrations", demos="none")
    refused("Set prompts to 1", prompts=2)
    refused("left to chance", perturb="order")
    refused("free text", scoring="free")
    with pytest.raises(BadInput, match="no explanation 'all'"):
        explained(engine, "all", request_)
    there = endpoints.Endpoint("http://127.0.0.1:9/v1", "far", ways=endpoints.Ways(chat=True))
    details = {"endpoint": there.as_dict()}
    models.register(engine.store, replace(models.get(engine.store, "tiny"), name="far", details=details))
    refused("behind an endpoint", model="far")


def test_words_of_sentences() -> None:
    assert [signed(value) for value in (0.256, -1.5, -0.001)] == ["+0.26", "−1.50", "0.00"]
    assert short("a  b\nc") == "a b c"
    assert len(short("x" * 80)) == 40
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
