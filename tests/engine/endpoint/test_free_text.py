"""Free text of a model behind an endpoint: counts and retries as of one in memory, within the budget."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from db.errors import BadInput, ModelError
from db.requests import RunRequest
from engine.context import Engine
from engine.tasks.free_text import free
from tests.support.endpoint import Server

Both = Callable[..., Server]
REQUEST = RunRequest(dataset="toy", user="u8", model="far", demos="neighbours:1", history=2, candidates=4)
CHAT, TEXT = {"completions", "chat_logprobs"}, {"chat", "echo", "prompt_logprobs", "logprobs"}


def sent(server: Server) -> list[str]:
    """The last message, or the prompt, of each call."""
    return [asked["messages"][-1]["content"] if "messages" in asked else asked["prompt"]
            for path, asked, _ in server.asked if path.endswith("completions")]  # fmt: skip


def obey(asked: dict) -> str:
    """One title twice and one that is not there; once it was shown that, all that are on offer."""
    text = asked["messages"][-1]["content"] if "messages" in asked else asked["prompt"]
    listed = text.split("On offer:\n")[1].split("An earlier")[0].split("The ones they would")[0].splitlines()
    return "\n".join(listed if "An earlier answer" in text else [listed[0], listed[0], "- No such thing"])


@pytest.mark.parametrize(("lacks", "chat"), [(CHAT, True), (TEXT, False), (set(), True)])
def test_an_answer_with_faults_is_shown_them_and_asked_again(
    engine: Engine, both: Both, lacks: set[str], chat: bool
) -> None:
    server = both(lacks=lacks)
    server.writes = obey
    found = free(engine, REQUEST, top=4, retries=4)
    first, second = sent(server)
    assert "An earlier answer" not in first
    assert "(named twice)" in second
    assert "No such thing (there is no such title)" in second
    assert second.endswith("one title per line:\n" if chat else "one title per line:\n-")
    assert [each["compliance"]["candidate"] for each in found["attempts"]] == [1, 4]
    assert found["compliance"]["share"] == 1
    assert [row["rank"] for row in found["items"]] == [1, 2, 3, 4]
    assert found["model"]["chat"] == chat
    assert not any(note.startswith("Titles cannot be scored") for note in found["notes"])
    tokens = [each["tokens"] for each in found["attempts"]]
    assert sum(one["read"] + one["written"] for one in tokens) == found["endpoint"]["tokens"] == server.tokens
    assert (found["endpoint"]["calls"], found["prompt"]["tokens"]) == (2, tokens[0]["read"])
    assert any(note.startswith("Prompts were sent in a chat" if chat else "Prompts were sent as plain text")
               for note in found["notes"])  # fmt: skip


def test_the_prompt_is_that_of_the_model_in_memory(engine: Engine, both: Both) -> None:
    server = both(lacks=TEXT)
    found = free(engine, replace(REQUEST, scoring="sum"), top=3)
    near = free(engine, replace(REQUEST, model="near", scoring="sum"), top=3)
    assert found["prompt"]["tokens"] == near["prompt"]["tokens"]
    assert found["lines"][:1] == near["lines"][:1]
    assert found.keys() - near.keys() == {"endpoint", "notes"}
    assert "attempts" not in found
    muted = free(engine, replace(REQUEST, weights=(0.0,)), top=3)
    none = free(engine, replace(REQUEST, demos="none"), top=3)
    assert sent(server)[-1] == sent(server)[-2]
    assert muted["text"] == none["text"]


def test_demonstrations_are_turns_of_the_chat(engine: Engine, both: Both) -> None:
    server = both(lacks=CHAT, reply="- Nothing")
    free(engine, replace(REQUEST, turns="chat"), top=3)
    [(_, asked, _)] = server.asked
    said = asked["messages"]
    assert [each["role"] for each in said] == ["user", "assistant", "user"]
    assert said[0]["content"].endswith("\nNext:")
    assert said[1]["content"].startswith("- ")
    assert "On offer:\n- " in said[-1]["content"]
    both_ways = both(lacks=TEXT, name="text")
    with pytest.raises(BadInput, match=r"^turns: free of 'text' is read from plain text"):
        free(engine, replace(REQUEST, model="text", turns="chat"), top=3)
    assert not both_ways.asked


def test_the_budget_ends_the_retries_and_keeps_the_answer(engine: Engine, both: Both) -> None:
    server = both(lacks=CHAT, reply="- Nothing of the kind")
    once = free(engine, REQUEST, top=3)["endpoint"]["tokens"]
    server = both(lacks=CHAT, reply="- Nothing of the kind", budget=max(1000, 3 * once), name="poor")
    found = free(engine, replace(REQUEST, model="poor"), top=3, retries=10)
    assert 1 < len(found["attempts"]) < 11
    assert server.tokens <= max(1000, 3 * once)
    assert "It was not asked again: the next answer might pass the budget of tokens." in found["notes"]
    tight = both(lacks=CHAT, reply="- Nothing of the kind", budget=100, name="poorest")
    with pytest.raises(ModelError, match="before the budget of 100 tokens was passed"):
        free(engine, replace(REQUEST, model="poorest"))
    assert tight.tokens == 0


def test_what_a_server_cannot_do_is_said_before_it_is_called(engine: Engine, both: Both) -> None:
    server = both()
    with pytest.raises(BadInput, match=r"^weights: "):
        free(engine, replace(REQUEST, weights=(0.5,)))
    with pytest.raises(BadInput, match=r"^forward: "):
        free(engine, replace(REQUEST, forward=2))
    assert server.asked == []
