"""Rankings by a server equal those of the same model in memory, or say what they are instead."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from db import runs
from db.errors import BadInput, ModelError
from db.requests import Chosen, RunRequest
from engine.context import Engine
from engine.endpoint.client import EndpointError
from engine.endpoint.scoring import rank_remote
from engine.jobs.handlers import HANDLERS
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.tasks.rank import rank
from tests.engine.conftest import make_loaded
from tests.engine.endpoint.conftest import CANDIDATES, HISTORY, near, remote, silent, task
from tests.support.endpoint import Server

Serve = Callable[..., Server]
LIKELIHOODS = ("sum", "mean", "calibrated", "yes_no", "listwise")


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
@pytest.mark.parametrize("scoring", LIKELIHOODS)
@pytest.mark.parametrize("lacks", [set(), {"echo"}])
def test_scores_equal_those_of_the_local_model(
    serve: Serve, demos, family: str, scoring: str, lacks: set[str]
) -> None:
    asked = task(demos, scoring)
    with remote(serve(family, lacks=lacks)) as far:
        found = rank_remote(far, asked)
    local = rank_candidates(make_loaded(family), asked)
    assert near(found.scores, local.scores)
    assert near(found.scores_zero_shot, local.scores_zero_shot)
    assert near(
        [found.loss, found.loss_zero_shot, found.margin, found.margin_zero_shot],  # type: ignore[list-item]
        [local.loss, local.loss_zero_shot, local.margin, local.margin_zero_shot],  # type: ignore[list-item]
    )
    assert found.kept == local.kept
    assert found.text == local.text
    if scoring in ("sum", "mean", "calibrated"):
        assert found.tokens == local.tokens


@pytest.mark.parametrize("lacks", [{"echo", "prompt_logprobs"}, {"echo", "prompt_logprobs", "ids"}])
def test_yes_and_no_as_next_tokens(serve: Serve, demos, lacks: set[str]) -> None:
    """By their ids the numbers are exact; among the likeliest, what is missing is counted and said."""
    asked = task(demos, "yes_no")
    server = serve(lacks=lacks)
    with remote(server) as far:
        found = rank_remote(far, asked)
        notes = far.notes
    loaded = make_loaded("llama")
    yes, no = (loaded.encoder.ids(f" {word}\n")[0] for word in ("Yes", "No"))
    question = [
        f"{found.text} {title}\nAnswer:" for title in CANDIDATES
    ]  # the prompt ends with the dash before a title
    rows = [server.logprobs(loaded.tokenizer.encode(text))[-1] for text in question]
    exact = [float(row[yes] - row[no]) for row in rows]
    if "ids" not in lacks:
        assert near(found.scores, exact)
        assert not notes
    else:
        shown = [set(row.topk(20).indices.tolist()) for row in rows]
        for score, true, places in zip(found.scores, exact, shown, strict=True):
            assert score == pytest.approx(true, abs=1e-3) if {yes, no} <= places else True
        assert (notes == []) == all({yes, no} <= places for places in shown)
        assert all("not among the likeliest tokens" in note for note in notes)


def test_labels_as_next_tokens_in_a_chat(serve: Serve, demos) -> None:
    server = serve(lacks={"completions"}, reply="A")
    with remote(server) as far:
        found = rank_remote(far, task(demos, "listwise"))
    chats = [asked for path, asked, _ in server.asked if path.endswith("chat/completions")]
    assert chats[-1]["messages"][0]["content"] == "Answer with one label of the list and nothing else."
    assert all(math.isfinite(score) for score in found.scores)
    many = tuple(f"{title} {n}" for n in range(6) for title in CANDIDATES)
    with remote(server) as far:
        far.context_length = 10_000
        with pytest.raises(BadInput, match="at most 26 candidates"):
            rank_remote(far, Task(demos, HISTORY, many, 2, scoring="listwise"))


def test_a_demonstration_of_weight_0_is_not_written(serve: Serve, demos) -> None:
    with remote(serve()) as far:
        without = rank_remote(far, task(demos, "sum", weights=(1.0, 0.0, 1.0)))
        fewer = rank_remote(far, task((demos[0], demos[2]), "sum"))
        assert without.scores == fewer.scores
        assert (without.kept, fewer.kept) == ((0, 2), (0, 1))
        with pytest.raises(BadInput, match="each weight is 1 or 0"):
            rank_remote(far, task(demos, "sum", weights=(1.0, 0.5, 1.0)))


def test_what_does_not_fit_is_left_out_by_its_place(serve: Serve, demos) -> None:
    with remote(serve()) as far:
        far.context_length = 700
        found = rank_remote(far, task(demos * 4, "sum", weights=(0.0, *[1.0] * 11)))
    places = [lost.index for lost in found.dropped if lost.kind == "demo"]
    assert places == list(range(1, 1 + len(places)))
    assert found.kept == tuple(range(1 + len(places), 12))


@pytest.mark.parametrize("fault", ["429", "500", "cut", "html", "list"])
def test_faults_that_pass_change_nothing(serve: Serve, demos, fault: str) -> None:
    server = serve()
    with remote(server) as far:
        plain = rank_remote(far, task(demos, "calibrated"))
    with remote(server) as far:
        server.faults = ["", fault, "", fault, fault]
        assert rank_remote(far, task(demos, "calibrated")).scores == plain.scores


@pytest.mark.parametrize("change", [{"echo", "prompt_logprobs"}, {"logprobs"}])
def test_a_server_that_stops_giving_numbers_gives_no_ranking(serve: Serve, demos, change: set[str]) -> None:
    server = serve()
    with remote(server) as far:
        server.lacks |= change
        with pytest.raises(EndpointError, match="The server ga"):
            rank_remote(far, task(demos, "calibrated"))
    server.lacks = set()
    with remote(server) as far:
        server.faults = ["nan"]
        with pytest.raises(EndpointError):
            rank_remote(far, task(demos, "calibrated"))


def request(model: str = "far", **how) -> RunRequest:
    return RunRequest(
        dataset="toy", user="u8", model=model, **{"demos": "neighbours:2", "candidates": 6} | how
    )


def test_a_run_of_an_endpoint_is_stored_like_any_other(engine: Engine, both) -> None:
    server = both()
    far, local = rank(engine, request()), rank(engine, request("near"))
    assert far.request.scoring == "calibrated"
    assert [row["item"] for row in far.result["items"]] == [row["item"] for row in local.result["items"]]
    assert near(
        [row["score"] for row in far.result["items"]], [row["score"] for row in local.result["items"]]
    )
    assert far.result["metrics"] == local.result["metrics"]
    assert far.result.keys() - local.result.keys() == {"endpoint"}
    spent = far.result["endpoint"]
    assert spent["tokens"] == server.tokens
    assert spent["calls"] == len(server.asked)
    assert far.result["notes"][-1].startswith(f"Answered by the endpoint of far: {spent['calls']} calls, ")
    calls = len(server.asked)
    again = rank(engine, request())
    assert (again.key, again.cached, len(server.asked)) == (far.key, True, calls)
    assert runs.get(engine.store, far.key).result == far.result
    assert far.key != local.key


def test_the_job_of_a_ranking_asks_the_endpoint(engine: Engine, both) -> None:
    both()
    asked = request(prompts=2)
    key = HANDLERS["rank"](engine, {"request": asked.to_json()}, silent)["run"]
    local = rank(engine, request("near", prompts=2))
    found = runs.get(engine.store, key)
    assert near(
        [row["score"] for row in found.result["items"]], [row["score"] for row in local.result["items"]]
    )


def test_free_text_ranks_what_it_names_and_counts_the_rest(engine: Engine, both) -> None:
    server = both(lacks={"completions", "chat_logprobs"}, reply="- Nothing of the kind")
    plain = rank(engine, request())
    assert plain.request.scoring == "free"
    assert {row["score"] for row in plain.result["items"]} == {0.0}
    assert plain.result["metrics"]["mrr"] == pytest.approx(sum(1 / n for n in range(1, 7)) / 6)
    titles = [row["title"] for row in plain.result["items"]]
    server.reply = f"- {titles[3]}\n2. {titles[1].upper()}\nSomething else\n{titles[3]}"
    found = rank(engine, request(seed=0, history=9)).result
    named = [row["title"] for row in found["items"][:2]]
    assert named == [titles[3], titles[1]]
    assert [row["score"] for row in found["items"]] == [6.0, 5.0, 0.0, 0.0, 0.0, 0.0]
    assert (found["loss"], found["margin"]) == (None, None)
    assert found["compliance"]["candidate"] == 2
    assert found["compliance"]["unknown"] == 1
    assert found["compliance"]["duplicate"] == 1
    assert any("2 of 6 titles asked for were candidates" in note for note in found["notes"])


def test_a_fallback_is_said_in_the_run(engine: Engine, both) -> None:
    both(lacks={"echo", "prompt_logprobs"})
    run = rank(engine, request())
    assert run.request.scoring == "yes_no"
    assert any(note.startswith("Titles cannot be scored by their likelihood") for note in run.result["notes"])
    with pytest.raises(BadInput, match=r"does not give what calibrated needs\. It can be ranked by yes_no"):
        rank(engine, request(scoring="calibrated"))


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"perturb": "ridge:0.2"}, "perturb: "),
        ({"forward": 2}, "forward: "),
        ({"weights": (1.0, 0.5)}, "weights: "),
        ({"demonstrations": (Chosen("x", 0.5),)}, "weights: "),
        ({"demos": "embedding:2"}, "embedding: "),
        ({"history_by": "semantic", "history": 2}, "embedding: "),
    ],
)
def test_what_an_endpoint_cannot_do_is_said_before_it_is_called(
    engine: Engine, both, asked: dict, what: str
) -> None:
    server = both()
    with pytest.raises(BadInput, match=f"^{what}"):
        rank(engine, request(**asked))
    assert server.asked == []


def test_free_text_is_not_for_a_model_that_is_here(engine: Engine, both) -> None:
    both()
    with pytest.raises(BadInput, match="free is for models behind an endpoint"):
        rank(engine, request("near", scoring="free"))


def test_a_token_budget_of_demonstrations_is_estimated(engine: Engine, both) -> None:
    both()
    some = rank(engine, request(demos="neighbours:150t")).result
    assert 0 < len(some["demonstrations"]) < 8


def test_the_budget_of_a_run_is_kept(engine: Engine, both) -> None:
    server = both(budget=900)
    with pytest.raises(ModelError, match="before the budget of 900 tokens was passed"):
        rank(engine, request())
    assert server.tokens <= 900
    assert not runs.listing(engine.store)


def test_a_local_model_looks_through_the_pool(engine: Engine, both) -> None:
    both()
    found = rank(engine, request(prescore="near")).result
    local = rank(engine, request("near", prescore="near")).result
    assert [d["id"] for d in found["demonstrations"]] == [d["id"] for d in local["demonstrations"]]
    with pytest.raises(BadInput, match="needs a model whose weights are here"):
        rank(engine, request(prescore="far"))


def test_a_run_is_found_again_when_its_server_is_away(engine: Engine, both, monkeypatch) -> None:
    both()
    run = rank(engine, request())
    monkeypatch.setattr(engine, "client", lambda info: pytest.fail("a stored run calls nobody"))
    assert rank(engine, request()).key == run.key
    assert rank(engine, replace(request(), scoring="calibrated")).key == run.key
    assert torch.isfinite(torch.tensor(run.result["loss"]))
