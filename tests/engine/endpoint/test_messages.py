"""What a server is sent: plain text where a prompt is scored, messages in a chat, turns where asked for."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from db.endpoints import SENT
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Engine
from engine.endpoint.scoring import rank_remote
from engine.endpoint.text import TextEncoder, messages
from engine.prompts import Example, built_in, encode, read, render
from engine.tasks.rank import rank
from tests.engine.endpoint.conftest import remote, task
from tests.support.endpoint import Server

Serve = Callable[..., Server]
CHAT = {"completions"}
REQUEST = RunRequest(dataset="toy", user="u8", model="far", demos="neighbours:2", candidates=4)


def said(server: Server) -> list[list[dict[str, str]]]:
    """The messages of each chat."""
    return [asked["messages"] for path, asked, _ in server.asked if path.endswith("chat/completions")]


@pytest.mark.parametrize(("scoring", "ending"), [("yes_no", "Answer:"), ("listwise", "Next:\n-")])
def test_demonstrations_are_turns_that_end_in_what_is_read(
    serve: Serve, demos: tuple[Example, ...], scoring: str, ending: str
) -> None:
    """The answer's first token is read: what stands before it belongs to the question, here and there."""
    template = built_in("plain").in_turns()
    server = serve(lacks=CHAT, tokenizer="chat")
    with remote(server) as far:
        found = rank_remote(far, task(demos, scoring, template=template))
    system, *turns = said(server)[-1]
    assert system["role"] == "system"
    assert all(math.isfinite(score) for score in found.scores)
    with_demos = next(each for each in said(server) if len(each) > 2)[1:]
    assert [each["role"] for each in with_demos] == ["user", "assistant"] * len(demos) + ["user"]
    for demo, question, answered in zip(demos, with_demos[::2], with_demos[1::2], strict=False):
        assert question["content"].endswith(ending)
        assert answered["content"] == {"yes_no": "Yes" if demo.liked else "No"}.get(scoring, demo.answer)
    assert with_demos[-1]["content"].endswith("Answer:")
    assert turns[-1]["role"] == "user"
    assert found.text.count("[assistant]") == len(demos)


def test_one_turn_is_one_message_with_the_text_of_the_prompt(serve: Serve, demos) -> None:
    server = serve(lacks=CHAT)
    with remote(server) as far:
        found = rank_remote(far, task(demos, "yes_no"))
    system, question = said(server)[-1]
    assert (system["role"], question["role"]) == ("system", "user")
    assert any(each[1]["content"].startswith(found.text) for each in said(server))


@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
@pytest.mark.parametrize("lacks", [set(), {"chat"}, {"echo"}])
def test_where_a_prompt_is_scored_it_is_plain_text(
    serve: Serve, demos, scoring: str, lacks: set[str]
) -> None:
    server = serve(lacks=lacks, tokenizer="chat")
    with remote(server) as far:
        server.asked.clear()
        rank_remote(far, task(demos, scoring))
    assert {path for path, *_ in server.asked} == {"/v1/completions"}
    assert not any("<|im_start|>" in asked["prompt"] for _, asked, _ in server.asked)


def test_the_words_of_the_template_are_asked_for_and_found(serve: Serve, demos) -> None:
    """TALLRec's answers are `Yes.` and `No.`, and no token is both the word and the dot."""
    template = read(TALL, "tall")
    for lacks in (CHAT, {"echo", "prompt_logprobs"}, {"echo", "prompt_logprobs", "ids"}):
        server = serve(lacks=lacks)
        with remote(server) as far:
            dotted = rank_remote(far, task(demos, "yes_no", template=template))
            plain = rank_remote(far, task(demos, "yes_no", template=read(TALL.replace('."', '"'), "tall")))
        if lacks == CHAT:
            assert said(server)[-1][0]["content"] == "Answer with one word: Yes or No."
        assert dotted.scores_zero_shot == plain.scores_zero_shot
        assert ("ids" in lacks or "completions" in lacks) or len(set(dotted.scores)) > 1


def test_answers_that_begin_alike_are_refused(serve: Serve, demos) -> None:
    template = read(TALL.replace("Yes.", "Would buy").replace("No.", "Would not buy"), "tall")
    with (
        remote(serve(lacks=CHAT)) as far,
        pytest.raises(BadInput, match=r"begin alike .'Would buy' and 'Would"),
    ):
        rank_remote(far, task(demos, "yes_no", template=template))
    with remote(serve()) as far:  # all of an answer is scored here
        assert len(set(rank_remote(far, task(demos, "yes_no", template=template)).scores)) > 1


def test_what_has_no_turns_is_refused_before_a_call(engine: Engine, both: Callable[..., Server]) -> None:
    server = both()
    with pytest.raises(BadInput, match=r"^turns: calibrated of 'far' is read from plain text, .*yes_no"):
        rank(engine, replace(REQUEST, scoring="calibrated", turns="chat"))
    assert not server.asked
    run = rank(engine, replace(REQUEST, turns="chat"))
    assert run.request.scoring == "yes_no"
    assert {path for path, *_ in server.asked} == {"/v1/chat/completions"}
    assert rank(engine, REQUEST).request.scoring == "calibrated"
    text = both(lacks={"chat"}, name="text")
    with pytest.raises(BadInput, match=r"^turns: calibrated of 'text' .* choose one turn[.]"):
        rank(engine, replace(REQUEST, model="text", turns="chat"))
    assert not text.asked


@pytest.mark.parametrize(
    ("lacks", "way"),
    [
        (set(), "prompt"),
        ({"echo", "prompt_logprobs"}, "next"),
        (CHAT, "chat_next"),
        ({"completions", "chat_logprobs"}, "chat"),
        ({"chat", "logprobs", "echo", "prompt_logprobs"}, "text"),
    ],
)
def test_a_run_says_what_was_sent(engine: Engine, both: Callable[..., Server], lacks: set, way: str) -> None:
    both(lacks=lacks, reply="" if "completions" not in lacks else "Yes")
    notes = rank(engine, replace(REQUEST, history=2, demos="neighbours:1")).result["notes"]
    assert SENT[way] in notes
    assert sum(note.startswith("Prompts were sent") for note in notes) == 1


def test_turns_of_effects_are_written_again_in_turns(demos) -> None:
    """What is cut out of a prompt keeps its roles: spans hold whole turns."""
    template = built_in("plain").in_turns()
    for writes, scoring in ((False, "yes_no"), (True, "free")):
        encoder = TextEncoder(writes=writes)
        whole = encode(encoder, render(template, scoring, demos, ["Tea"]))
        spans = [span for span in whole.spans if span.kind != "demo" or span.index != 0]
        without = [id for span in spans for id in whole.ids[span.start : span.stop]]
        again = encode(encoder, render(template, scoring, demos[1:], ["Tea"]))
        assert messages(without) == messages(again.ids)


TALL = """
introduction = "Will they like it?"
[yes_no]
yes = "Yes."
no = "No."
demonstration = '''
Liked: {liked_inline}
"{title}"?
Response: {answer}
'''
query = '''
Liked: {liked_inline}
"{title}"?
Response: {answer}'''
"""
