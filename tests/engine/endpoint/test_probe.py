"""What a server answers is found out by asking, and what it makes up is not believed."""

from collections.abc import Callable

import pytest

from db.endpoints import Endpoint, checked_key_name, checked_url
from db.errors import BadInput, ModelError
from engine.endpoint.client import EndpointError, Refused
from engine.endpoint.probe import Probed, found, probe
from tests.support.endpoint import Server

Serve = Callable[..., Server]


def probed(server: Server, **how) -> Probed:
    return probe(Endpoint(server.url, "", **how), pause_s=0.001)


def test_everything_that_works_is_found(serve: Serve) -> None:
    server = serve(tokenizer="chat")
    made = probed(server)
    ways = made.endpoint.ways
    assert (made.endpoint.served, made.context_length, made.told) == ("tiny", 512, True)
    assert (ways.prompt, ways.next, ways.ids, ways.chat_next) == ("echo", 20, True, 20)
    assert ways.text
    assert ways.chat
    assert made.endpoint.best == "calibrated"
    assert made.endpoint.notes == ()
    assert found(made.endpoint)[0] == "log-probabilities of a prompt's tokens: yes (echo)"


@pytest.mark.parametrize(
    ("lacks", "prompt", "best"),
    [
        ({"echo"}, "prompt_logprobs", "calibrated"),
        ({"echo", "prompt_logprobs"}, "", "yes_no"),
        ({"echo", "prompt_logprobs", "logprobs"}, "", "yes_no"),
        ({"echo", "prompt_logprobs", "logprobs", "chat_logprobs"}, "", "free"),
        ({"completions"}, "", "yes_no"),
        ({"completions", "chat_logprobs"}, "", "free"),
    ],
)
def test_the_best_of_what_is_left_is_used(serve: Serve, lacks: set[str], prompt: str, best: str) -> None:
    endpoint = probed(serve(lacks=lacks, reply="Yes")).endpoint
    assert (endpoint.ways.prompt, endpoint.best) == (prompt, best)
    if not prompt and "completions" not in lacks:
        assert endpoint.notes[0].startswith("Titles cannot be scored by their likelihood: the server gave ")


def test_a_small_budget_of_rankings_hides_nothing_that_works(serve: Serve) -> None:
    server = serve()
    assert probed(server, budget=100).endpoint.ways == probed(server).endpoint.ways


def test_the_length_of_tokens_is_found_in_a_chat_alone_too(serve: Serve) -> None:
    server = serve()
    text = probed(server).endpoint.ways.bytes_per_token
    server.lacks |= {"completions"}
    assert probed(server).endpoint.ways.bytes_per_token == pytest.approx(text, rel=0.2)


@pytest.mark.parametrize("lie", ["zeros", "random"])
def test_made_up_log_probabilities_are_not_believed(serve: Serve, lie: str) -> None:
    endpoint = probed(serve(lies=lie)).endpoint
    assert endpoint.ways.prompt == ""
    assert endpoint.best == "yes_no"


def test_an_echo_of_the_new_token_alone_is_no_echo(serve: Serve) -> None:
    """llama.cpp's server takes `echo`, gives the log-probability of what it writes, and says no more."""
    server = serve(style="llama.cpp 2024")
    ways = probed(server).endpoint.ways
    assert (ways.prompt, ways.next) == ("", 100)


def test_without_usage_the_prompt_must_come_back(serve: Serve) -> None:
    assert probed(serve(lacks={"usage"})).endpoint.ways.prompt == "echo"
    assert probed(serve(lacks={"usage", "echo", "prompt_logprobs"})).endpoint.ways.prompt == ""


def test_joined_line_ends_are_noticed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    assert probed(server).endpoint.ways.parting
    word = server.word
    monkeypatch.setattr(server, "word", lambda token: word(token).replace("\n", "\n\n"))
    assert not probed(server).endpoint.ways.parting


def test_a_tokenizer_that_joins_question_and_answer_gives_no_likelihood(serve: Serve) -> None:
    endpoint = probed(serve(tokenizer="crossing")).endpoint
    assert endpoint.ways.prompt == ""
    assert "joins the question with the answer" in endpoint.notes[0]


def test_a_server_without_answers_is_refused(serve: Serve) -> None:
    with pytest.raises(EndpointError, match="Nothing was registered"):
        probed(serve(lacks={"completions", "chat"}))


def test_one_of_several_models_is_chosen(serve: Serve) -> None:
    server = serve(names=("tiny", "other"))
    with pytest.raises(EndpointError, match="--served-model"):
        probed(server)
    assert probe(Endpoint(server.url, "other"), pause_s=0.001).endpoint.served == "other"
    with pytest.raises(EndpointError, match="does not serve 'third'; it serves tiny, other"):
        probe(Endpoint(server.url, "third"), pause_s=0.001)


def test_a_length_that_is_not_told_is_assumed_and_said(serve: Serve) -> None:
    server = serve(lacks={"max_model_len"})
    made = probed(server)
    assert (made.context_length, made.told) == (4096, False)
    assert "4,096 tokens are assumed" in made.endpoint.notes[-1]
    assert probe(Endpoint(server.url, ""), 300, pause_s=0.001).context_length == 300


def test_the_key_comes_from_the_environment_and_is_never_shown(serve: Serve, monkeypatch) -> None:
    server = serve(key="sk-right-and-secret")
    monkeypatch.setenv("TOY_KEY", "sk-wrong-and-secret")
    with pytest.raises(Refused) as refused:
        probed(server, key_from="TOY_KEY")
    assert "secret" not in str(refused.value)
    assert "the key in TOY_KEY" in str(refused.value)
    assert "[key]" in str(refused.value)
    monkeypatch.setenv("TOY_KEY", "sk-right-and-secret")
    made = probed(server, key_from="TOY_KEY")
    assert "secret" not in repr(made)
    monkeypatch.delenv("TOY_KEY")
    with pytest.raises(ModelError, match="TOY_KEY, which is to hold the key, is not set"):
        probed(server, key_from="TOY_KEY")
    with pytest.raises(Refused, match="Register it with --key-from"):
        probed(server)


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(serve: Serve, monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert probed(serve()).endpoint.best == "calibrated"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://ann:pass@host/v1", "a user name or a password"),
        ("http://host/v1?api_key=secret", "behind a [?]"),
        ("http://host/v1#secret", "behind a"),
        ("http:///v1", "is no address"),
        ("ftp://host/v1", "is no address"),
        ("http://host:port/v1", "is no address"),
    ],
)
def test_addresses_with_secrets_or_without_a_host_are_refused(url: str, what: str) -> None:
    with pytest.raises(BadInput, match=what) as refused:
        checked_url(url)
    assert "secret" not in str(refused.value)
    assert "pass@" not in str(refused.value)


def test_addresses_are_written_in_one_way() -> None:
    assert checked_url("HTTP://Host:8000/v1/") == "http://host:8000/v1"
    assert checked_url("https://host") == "https://host/v1"
    assert checked_url("http://[::1]:8000") == "http://[::1]:8000/v1"


@pytest.mark.parametrize("key", ["sk-secret-1", "secret0123456789abcdef", "SECRET KEY"])
def test_a_key_in_place_of_its_variable_is_not_repeated(key: str) -> None:
    with pytest.raises(BadInput, match="not the key itself") as refused:
        checked_key_name(key)
    assert "secret" not in str(refused.value).lower()
