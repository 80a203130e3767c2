"""Effects by prompts written again are those of the local model, within the calls that were announced."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db import endpoints, models, runs
from db.effect_results import proxied
from db.errors import BadInput, ModelError
from db.requests import RunRequest
from engine.context import Engine
from engine.endpoint.effects import remote_effects
from engine.jobs.handlers import HANDLERS
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.measures import Measure
from engine.progress import telling
from engine.tasks.effects import effects
from engine.tasks.rank import rank
from tests.engine.conftest import make_loaded
from tests.engine.endpoint.conftest import near, remote, silent, task
from tests.support.endpoint import Server

Serve = Callable[..., Server]


@pytest.mark.parametrize(
    ("scoring", "measure"),
    [
        ("sum", "margin"),
        ("calibrated", "margin"),
        ("mean", "loss"),
        ("yes_no", "margin"),
        ("listwise", "loss"),
    ],
)
def test_effects_equal_those_of_the_local_model(serve: Serve, demos, scoring: str, measure: Measure) -> None:
    asked = task(demos, scoring)
    with remote(serve()) as far:
        found = remote_effects(far, asked, leave_one_out=True, measure=measure)
    local = demonstration_effects(
        make_loaded("llama"), asked, leave_one_out=True, mode="reprompt", measure=measure
    )
    assert near(found.effects, local.effects)
    assert near(found.leave_one_out, local.leave_one_out)  # type: ignore[arg-type]
    assert found.gains[measure].total == pytest.approx(local.gains[measure].total, abs=1e-3)
    assert found.zero_shot == pytest.approx(local.zero_shot, abs=1e-3)
    assert (found.estimator, found.passes, found.mode) == ("exact", 8, "reprompt")
    assert found.mass is None


def test_beyond_four_each_one_alone_is_left_out(serve: Serve, demos) -> None:
    asked = task((*demos, *demos[:2]), "sum", weights=(1.0, 0.0, 1.0, 1.0, 1.0))
    with remote(serve()) as far:
        four = remote_effects(far, asked)
        five = remote_effects(far, replace(asked, weights=None))
    assert (four.estimator, four.passes) == ("exact", 16)
    assert four.effects[1] == 0.0
    assert (five.estimator, five.passes) == ("leave_one_out", 7)
    local = demonstration_effects(
        make_loaded("llama"), replace(asked, weights=None), leave_one_out=True, mode="reprompt"
    )
    assert near(five.effects, local.leave_one_out)  # type: ignore[arg-type]
    assert five.leave_one_out is None


@pytest.mark.parametrize("scoring", ["sum", "calibrated", "yes_no", "listwise"])
@pytest.mark.parametrize("lacks", [set(), {"echo", "prompt_logprobs"}])
def test_calls_are_announced_before_they_are_made(serve: Serve, demos, scoring: str, lacks: set[str]) -> None:
    server, said = serve(lacks=lacks), []
    with remote(server) as far:
        if not far.endpoint.way(scoring):
            return
        server.asked.clear()
        with telling(lambda _, message: said.append((message, len(server.asked)))):
            remote_effects(far, task(demos, scoring))
        made = sum(path != "/tokenize" for path, *_ in server.asked)
        most = endpoints.calls(far.endpoint, scoring, 5, 3)
    message, before = said[0]
    assert message.startswith(f"{made:,} calls to far, about ")
    assert before == 0
    assert made <= most <= 1.5 * made


def test_what_the_budget_does_not_allow_is_not_begun(serve: Serve, demos) -> None:
    server = serve()
    with remote(server, budget=8_000) as far:
        server.asked.clear()
        with pytest.raises(BadInput, match="Nothing was asked"):
            remote_effects(far, task(demos, "sum"))
    assert server.asked == []


def request(model: str = "far", **how) -> RunRequest:
    asked = {"dataset": "toy", "user": "u8", "model": model, "demos": "neighbours:3", "candidates": 5}
    return RunRequest(**asked | how)


def test_effects_are_stored_with_the_run(engine: Engine, both: Callable[..., Server]) -> None:
    server = both()
    done = HANDLERS["effects"](engine, {"request": request().to_json(), "leave_one_out": True}, silent)
    [kept] = runs.effects(engine.store, done["run"])
    assert kept.effects_key == done["effects"]
    result = kept.result
    assert (result["mode"], result["estimator"]) == ("reprompt", "exact")
    assert result["endpoint"]["calls"] > 0
    assert [row["mass"] for row in result["demonstrations"]] == [None] * 3
    assert any(note.startswith("Answered by the endpoint of far") for note in result["notes"])
    calls = len(server.asked)
    effects(engine, request(), leave_one_out=True)
    assert len(server.asked) == calls
    _, local = effects(engine, request("near"), mode="reprompt", leave_one_out=True)
    assert near(
        [row["effect"] for row in result["demonstrations"]],
        [row["effect"] for row in local.result["demonstrations"]],
    )


def test_whoever_listens_hears_the_calls_first(engine: Engine, both: Callable[..., Server]) -> None:
    """As the command line does, which gives no report of its own."""
    server, said = both(), []
    rank(engine, request())
    server.asked.clear()
    with telling(lambda _, message: said.append((message, len(server.asked)))):
        effects(engine, request())
    [before] = [asked for message, asked in said if "calls to far, about" in message]
    assert before == 0


def test_a_proxy_stands_beside_and_agreement_grows_with_users(
    engine: Engine, both: Callable[..., Server]
) -> None:
    both()
    found, proxy = None, {}
    for seen, user in enumerate(("u3", "u5", "u8"), start=1):
        _, found = effects(engine, request(user=user), proxy="near")
        proxy = found.result["proxy"]
        assert proxy["spearman"] == pytest.approx(1.0)  # the same weights
        assert proxy["agreement"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": seen}
    assert found is not None
    again = effects(engine, request(), proxy="near")[1]
    assert again.result["proxy"]["agreement"]["n"] == 3
    assert near(
        [row["effect"] for row in proxy["demonstrations"]],
        [row["effect"] for row in found.result["demonstrations"]],
    )
    assert "over 3 users seen so far" in proxied(proxy)
    assert runs.get(engine.store, proxy["run"]).model == "near"


def test_a_proxy_that_was_replaced_begins_anew(
    engine: Engine, both: Callable[..., Server], model_folder: Callable[..., Path]
) -> None:
    both()
    effects(engine, request(user="u3"), proxy="near")
    models.delete(engine.store, "near")
    engine.register("near", str(model_folder("gpt2")))
    _, found = effects(engine, request(), proxy="near")
    assert found.result["proxy"]["agreement"]["n"] == 1


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"mode": "direct"}, "mode: direct acts inside a model"),
        ({"mode": "total"}, "mode: total acts inside a model"),
        ({"estimator": "aumann"}, "estimator: aumann takes gradients"),
        ({"proxy": "far"}, "needs a model whose weights are here"),
    ],
)
def test_what_cannot_be_measured_is_said_before_a_call(
    engine: Engine, both: Callable[..., Server], how: dict, what: str
) -> None:
    server = both()
    with pytest.raises((BadInput, ModelError), match=what):
        effects(engine, request(), **how)
    assert server.asked == []


def test_free_text_has_no_effects(engine: Engine, both: Callable[..., Server]) -> None:
    server = both(lacks={"completions", "chat_logprobs"}, reply="nothing")
    with pytest.raises(BadInput, match="free text has none"):
        effects(engine, request())
    assert server.asked == []
    with pytest.raises(BadInput, match="has effects of its own"):
        effects(engine, request("near"), proxy="near")
