"""What a model behind an endpoint writes, greedily: in a chat where it has one, else behind the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.endpoint.answers import chat_request
from engine.endpoint.client import Call
from engine.endpoint.protocol import written
from engine.endpoint.scoring import Remote, way_of
from engine.endpoint.text import before_tail, text_of
from engine.progress import plan


@dataclass(frozen=True)
class Question:
    """A prompt and the most tokens of its answer."""

    ids: tuple[int, ...]
    most: int


@dataclass(frozen=True)
class Answer:
    """What was written, and how many tokens were read for it."""

    text: str
    read: int


def write(remote: Remote, questions: Sequence[Question]) -> list[Answer]:
    """An answer to each; equal questions are asked once. Raises EndpointError and BadInput."""
    in_chat = way_of(remote.endpoint, remote.name, "free") == "chat"
    new = list(dict.fromkeys(questions))
    plan(len(new))
    calls = [_in_chat(remote, question) if in_chat else _behind(remote, question) for question in new]
    found = {}
    for question, answer in zip(new, remote.client.many(calls), strict=True):
        read = (answer.get("usage") or {}).get("prompt_tokens")
        found[question] = Answer(
            written(answer), read if isinstance(read, int) else remote.tokens(len(question.ids))
        )
    return [found[question] for question in questions]


def _in_chat(remote: Remote, question: Question) -> Call:
    text = text_of(before_tail(question.ids))
    asked = chat_request(text, "", question.most, remote.endpoint.ways.chat_extra)
    return _call(remote, "chat/completions", text, asked, question.most)


def _behind(remote: Remote, question: Question) -> Call:
    text = text_of(question.ids)
    asked = {"prompt": text, "max_tokens": question.most, "temperature": 0, "stop": ["\n\n"]}
    return _call(remote, "completions", text, asked, question.most)


def _call(remote: Remote, path: str, text: str, asked: dict, most: int) -> Call:
    return Call(path, {"model": remote.endpoint.served, **asked}, remote.client.estimate(text) + most)
