"""vLLM, SGLang and llama.cpp's server write the same things in other places, and refuse in other words."""

import json
from collections.abc import Callable

import pytest

from db.endpoints import Endpoint
from engine.endpoint import client as clients
from engine.endpoint.client import Client, EndpointError, Refused
from engine.endpoint.probe import probe
from engine.endpoint.protocol import Unusable, next_tokens, prompt_read, written
from engine.endpoint.scoring import rank_remote
from engine.llm.scoring.ranking import rank_candidates
from tests.engine.conftest import make_loaded
from tests.engine.endpoint.conftest import near, remote, task
from tests.support.dialects import DIALECTS, fastapi, flat, llama_cpp, openai
from tests.support.endpoint import Server

Serve = Callable[..., Server]
FOUND = {
    "openai": ("echo", 20, True),
    "vllm": ("echo", 20, True),
    "sglang": ("echo", 100, False),
    "llama.cpp": ("", 100, False),
    "llama.cpp 2024": ("", 100, False),
}


@pytest.mark.parametrize("style", DIALECTS)
def test_what_each_server_gives_is_found(serve: Serve, style: str) -> None:
    probed = probe(Endpoint(serve(style=style).url, ""), pause_s=0.001)
    ways = probed.endpoint.ways
    assert (ways.prompt, ways.next, ways.ids) == FOUND[style]
    assert (ways.chat_next, ways.chat, ways.text) == (20, True, True)
    assert (probed.context_length, probed.told) == (512, True), "never what the model was trained for"


@pytest.mark.parametrize("style", DIALECTS)
@pytest.mark.parametrize("scoring", ["calibrated", "yes_no", "listwise"])
def test_every_server_ranks_like_the_model_in_memory(serve: Serve, demos, style: str, scoring: str) -> None:
    asked = task(demos, scoring)
    with remote(serve(style=style)) as far:
        if not far.endpoint.way(scoring):
            assert scoring == "calibrated"
            assert not FOUND[style][0]
            return
        found = rank_remote(far, asked)
        exact = far.endpoint.way(scoring) == "prompt"
    assert not exact or near(found.scores, rank_candidates(make_loaded("llama"), asked).scores)
    assert len(set(found.scores)) > 1


def test_why_titles_cannot_be_scored_is_said_in_the_server_s_words(serve: Serve) -> None:
    """llama.cpp's server refuses `echo` with the status of a fault that passes."""
    [note] = probe(Endpoint(serve(style="llama.cpp").url, ""), pause_s=0.001).endpoint.notes
    said = "the server said status 500: Only no echo is supported."
    assert note == f"Titles cannot be scored by their likelihood: {said}"


@pytest.mark.parametrize("style", DIALECTS)
def test_a_prompt_that_is_too_long_is_said_in_one_sentence(serve: Serve, style: str) -> None:
    server = serve(style=style)
    asked = {"model": "tiny", "prompt": "Bought:\n- Tea\n" * 200, "max_tokens": 1}
    with Client(Endpoint(server.url, "tiny"), pause_s=0.001) as client, pytest.raises(Refused) as refused:
        client.call("completions", asked)
    assert len(server.asked) == 1, "it would be too long again"
    said = str(refused.value)
    assert said.startswith("The prompt is too long for the server: ")
    assert DIALECTS[style].too_long[1].split("{")[0].split("(")[0] in said
    assert said.endswith("or register the model again with a smaller --context.")


@pytest.mark.parametrize("write", [openai, flat, fastapi, llama_cpp])
@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_message_of_an_error_is_read(write: Callable, status: int) -> None:
    assert clients._message(json.dumps(write(status, "no such thing")).encode()) == ": no such thing"


def test_an_error_without_words_is_told_by_its_status(serve: Serve) -> None:
    with Client(Endpoint(serve(faults=["bare"]).url, "tiny")) as client, pytest.raises(EndpointError) as said:
        client.call("completions", {"prompt": "Tea"})
    assert str(said.value).endswith("/completions refused the call: status 418.")


VLLM = {
    "choices": [
        {
            "text": " a",
            "prompt_logprobs": [
                None,
                {"220": {"logprob": -2.5, "rank": 7, "decoded_token": " T"}},
                {"1134": {"logprob": -9999.0, "rank": 32000, "decoded_token": "ea"}},
            ],
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
SGLANG = {
    "choices": [
        {
            "text": " Tea a",
            "logprobs": {
                "text_offset": [-1, -1, -1],
                "tokens": [" T", "ea", " a"],
                "token_logprobs": [None, -1.5, -0.5],
                "top_logprobs": [None, {"ea": -1.5}, {" a": -0.5, " b": -1.0}],
            },
        }
    ],
    "usage": {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": None},
}
LLAMA_CPP = {
    "choices": [
        {
            "text": " Yes",
            "logprobs": {
                "content": [
                    {
                        "id": 3869, "token": " Yes", "bytes": [32, 89, 101, 115], "logprob": -0.25,
                        "top_logprobs": [
                            {"id": 3869, "token": " Yes", "bytes": [32, 89, 101, 115], "logprob": -0.25},
                            {"id": 1939, "token": " No", "bytes": [32, 78, 111], "logprob": -1.5},
                        ],
                    }
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1},
}  # fmt: skip


def test_answers_as_their_sources_write_them_are_read() -> None:
    assert prompt_read(VLLM, "prompt_logprobs", "Tea").logprobs == (None, -2.5, -9999.0)
    assert prompt_read(SGLANG, "echo", " Tea").logprobs == (None, -1.5)
    assert [(one.id, one.text, one.logprob) for one in next_tokens(LLAMA_CPP)] == [
        (3869, " Yes", -0.25),
        (1939, " No", -1.5),
    ]
    assert written(LLAMA_CPP) == " Yes"


@pytest.mark.parametrize(
    "place", [{"1": {"logprob": -1.0}, "2": {"logprob": -2.0}}, {}, {"1": {"logprob": None}}, None]
)
def test_log_probabilities_of_other_tokens_are_not_taken_for_the_prompt_s(place: object) -> None:
    choice = {"text": "", "prompt_logprobs": [None, {"7": {"logprob": -1.0}}, place]}
    with pytest.raises(Unusable):
        prompt_read({"choices": [choice]}, "prompt_logprobs", "Tea")


def test_what_llama_cpp_once_wrote_in_its_own_form_is_not_guessed_at() -> None:
    """Probabilities behind its sampling, of an answer without choices."""
    own = {
        "content": " Yes",
        "completion_probabilities": [{"content": " Yes", "probs": [{"tok_str": " Yes", "prob": 0.9}]}],
        "tokens_predicted": 1,
    }
    for read in (next_tokens, written):
        with pytest.raises(Unusable, match="holds no choices"):
            read(own)
    sampled = {"content": [{"token": "Yes", "prob": 1.0, "top_probs": [{"token": "Yes", "prob": 1.0}]}]}
    with pytest.raises(Unusable, match="no log-probabilities of the next token"):
        next_tokens({"choices": [{"text": "Yes", "logprobs": sampled}]})
