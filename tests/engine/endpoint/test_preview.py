"""The editor's preview of prompts for a server: what is sent, in characters, and nobody is called."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Engine
from engine.prompts.parse import BUILT_IN
from engine.tasks.free_text import free
from engine.tasks.rank import rank
from engine.tasks.template_preview import preview
from tests.support.endpoint import Server

Both = Callable[..., Server]
REQUEST = RunRequest(dataset="toy", user="u8", model="far", demos="neighbours:2", candidates=4, history=3)
PLAIN = (BUILT_IN / "plain.toml").read_text(encoding="utf-8")


def said(shown: dict[str, Any], *without: str) -> str:
    return "".join(part["text"] for part in shown["segments"] if part["kind"] not in without)


@pytest.mark.parametrize("scoring", ["calibrated", "yes_no", "listwise"])
def test_what_is_shown_is_what_is_sent(engine: Engine, both: Both, scoring: str) -> None:
    server = both()
    shown = preview(engine, replace(REQUEST, scoring=scoring), PLAIN)
    assert not server.asked, "a preview calls nobody"
    assert shown["unit"] == "character"
    assert all(part["length"] == len(part["text"]) for part in shown["segments"])
    assert shown["length"] == len(said(shown)) <= shown["room"]
    rank(engine, replace(REQUEST, scoring=scoring))
    assert said(shown) in {asked["prompt"] for _, asked, _ in server.asked}


@pytest.mark.parametrize("turns", ["one", "chat"])
def test_in_a_chat_the_system_message_stands_before_it(engine: Engine, both: Both, turns: str) -> None:
    server = both(lacks={"completions"})
    asked = replace(REQUEST, turns=turns)
    shown = preview(engine, asked, PLAIN)
    rank(engine, asked)
    sent = [asked["messages"] for _, asked, _ in server.asked]
    assert shown["segments"][0]["text"] == sent[0][0]["content"]
    assert shown["segments"][0]["kind"] == "system"
    words = "".join(said(shown, "system", "answer").replace("[user]", "").replace("[assistant]", "").split())
    every = {"".join("".join(each["content"] for each in one[1:]).split()) for one in sent}
    assert words in every


def test_free_text_is_shown_as_it_is_sent(engine: Engine, both: Both) -> None:
    server = both(lacks={"chat"}, reply="- Nothing")
    small = replace(REQUEST, demos="neighbours:1", history=2)
    for asked in (
        (replace(small, scoring="free"), PLAIN, None),
        (small, PLAIN, "free"),
        (replace(small, scoring="free"), None, None),
    ):
        shown = preview(engine, *asked)
        assert (shown["scoring"], shown["segments"][-1]["kind"]) == ("free", "ask")
        server.asked.clear()
        free(engine, small, top=4)
        assert said(shown) == server.asked[0][1]["prompt"]


def test_a_demonstration_of_weight_0_is_not_shown(engine: Engine, both: Both) -> None:
    both()
    shown = preview(engine, replace(REQUEST, weights=(0.0, 1.0)), PLAIN)
    assert [part["index"] for part in shown["segments"] if part["kind"] == "demo"] == [1]
    with pytest.raises(BadInput, match="each weight is 1 or 0"):
        preview(engine, replace(REQUEST, weights=(0.5, 1.0)), PLAIN)


def test_what_the_server_cannot_answer_is_said(engine: Engine, both: Both) -> None:
    both(lacks={"completions", "chat_logprobs"}, reply="x")
    with pytest.raises(BadInput, match="does not give what calibrated needs"):
        preview(engine, replace(REQUEST, scoring="calibrated"), PLAIN)
    assert preview(engine, REQUEST, PLAIN)["scoring"] == "free"
    for wanted in ("rating", "explanation", "summary"):
        assert preview(engine, REQUEST, PLAIN, wanted)["scoring"] == wanted
