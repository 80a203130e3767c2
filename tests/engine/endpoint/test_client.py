"""Calls that fail are made again, never more at once and never more tokens than was said."""

import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from db.endpoints import Endpoint, Ways
from engine.endpoint import client as clients
from engine.endpoint.client import Call, Client, EndpointError, OverBudget, Refused
from engine.progress import counting, giving_way, plan
from tests.support.endpoint import Server

Serve = Callable[..., Server]
ASKED = {"model": "tiny", "prompt": "Bought:\n- Tea", "max_tokens": 1}


def client(server: Server, tries: int = 5, **how) -> Client:
    return Client(Endpoint(server.url, "tiny", ways=Ways(bytes_per_token=2.0), **how), tries, pause_s=0.001)


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "cut", "html", "list"])
def test_what_passes_is_tried_again(serve: Serve, fault: str) -> None:
    server = serve(faults=[fault, fault])
    with client(server) as asking:
        assert asking.call("completions", ASKED)["choices"]
        assert (asking.spent.calls, asking.spent.retries) == (3, 2)


@pytest.mark.parametrize("fault", ["500", "cut", "html"])
def test_what_does_not_pass_is_said_in_one_sentence(serve: Serve, fault: str) -> None:
    with client(serve(faults=[fault] * 9), tries=3) as asking, pytest.raises(EndpointError) as failed:
        asking.call("completions", ASKED)
    assert "did not answer in 3 tries" in str(failed.value)
    assert "Traceback" not in str(failed.value)


@pytest.mark.parametrize("fault", ["400", "404", "422", "301"])
def test_what_will_not_pass_is_not_tried_again(serve: Serve, fault: str) -> None:
    server = serve(faults=[fault])
    with client(server) as asking, pytest.raises(Refused):
        asking.call("completions", ASKED)
    assert len(server.asked) == 1


def test_nobody_listens(serve: Serve) -> None:
    asking = Client(Endpoint("http://127.0.0.1:9/v1", "tiny"), 2, 0.001)
    with asking, pytest.raises(EndpointError, match="did not answer in 2 tries"):
        asking.get("models")


def test_a_slow_answer_is_given_up(serve: Serve) -> None:
    server = serve(faults=["slow"], slow_s=1.0)
    with client(server, timeout_s=0.3) as asking:
        assert asking.call("completions", ASKED)["choices"]
        assert asking.spent.retries >= 1


def test_the_pause_that_is_asked_for_is_made(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    with client(serve(faults=["429"], retry_after="7")) as asking:
        monkeypatch.setattr(asking._over, "wait", lambda seconds: pauses.append(seconds) or False)
        asking.call("completions", ASKED)
    assert pauses == [7.0]
    assert clients._asked_pause(formatdate(time.time() + 30)) == pytest.approx(30, abs=5)
    assert clients._asked_pause("soon") is None


def test_a_pause_that_is_too_long_ends_it(serve: Serve) -> None:
    asking = client(serve(faults=["429"], retry_after="3600"))
    with asking, pytest.raises(EndpointError, match="asks for a pause of 3,600 s"):
        asking.call("completions", ASKED)


def test_no_more_calls_at_once_than_are_allowed(serve: Serve) -> None:
    server = serve(faults=["slow"] * 12, slow_s=0.05)
    with client(server, concurrency=3) as asking:
        answers = asking.many([Call("completions", ASKED, 20)] * 12)
    assert len(answers) == 12
    assert server.most_at_once == 3


def test_many_answers_come_in_their_order(serve: Serve) -> None:
    server = serve(faults=["slow", "500", "", "cut"], slow_s=0.1)
    prompts = [f"Bought:\n- {'Tea ' * n}" for n in range(1, 7)]
    with client(server) as asking:
        answers = asking.many([Call("completions", {**ASKED, "prompt": each}, 60) for each in prompts])
    read = [answer["usage"]["prompt_tokens"] for answer in answers]
    assert read == sorted(read)
    assert len(set(read)) == 6


def test_the_budget_is_never_passed(serve: Serve) -> None:
    server = serve()
    text = "Bought:\n- Tea" * 4
    with client(server, budget=400) as asking:
        call = Call("completions", {**ASKED, "prompt": text}, asking.estimate(text) + 1)
        with pytest.raises(OverBudget) as stopped:
            asking.many([call] * 60)
    assert 0 < server.tokens <= 400
    assert "before the budget of 400 tokens was passed" in str(stopped.value)


def test_tokens_are_counted_as_the_server_counts_them(serve: Serve) -> None:
    server = serve()
    with client(server) as asking:
        asking.many([Call("completions", ASKED, 20)] * 5)
        assert asking.spent.as_dict() == {
            "calls": 5, "retries": 0, "read": server.tokens - 5, "written": 5, "tokens": server.tokens,
        }  # fmt: skip


@pytest.mark.parametrize(("fault", "lost"), [("cut", 200), ("html", 200), ("429", 0), ("500", 0)])
def test_what_was_lost_on_its_way_counts(serve: Serve, fault: str, lost: int) -> None:
    """It may have been computed and paid for."""
    server = serve(faults=[fault, fault])
    with client(server) as asking:
        asking.call("completions", ASKED, 100)
        assert asking.spent.tokens == server.tokens + lost
    with client(serve(faults=["cut"] * 9), budget=250) as asking, pytest.raises(OverBudget):
        asking.call("completions", ASKED, 100)


def test_waiting_gives_way_and_counts(serve: Serve) -> None:
    server, said = serve(faults=["slow"] * 4, slow_s=0.3), []
    turns: list[int] = []
    with giving_way(lambda: turns.append(1)), counting(lambda share, *_: said.append(share), "asking"):
        plan(4)
        with client(server) as asking:
            asking.many([Call("completions", ASKED, 20)] * 4)
    assert turns
    assert said[-1] <= 1.0


def test_a_stop_ends_the_calls(serve: Serve) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    server = serve(faults=["slow"] * 200, slow_s=0.05)
    with giving_way(stop), client(server, concurrency=2) as asking, pytest.raises(Stopped):
        asking.many([Call("completions", ASKED, 20)] * 200)
    assert len(server.asked) < 20
