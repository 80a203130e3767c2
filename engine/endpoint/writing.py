"""What a model behind an endpoint writes, greedily: in a chat where it has one, else behind the prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.endpoints import IN_CHAT
from engine.endpoint.answers import chat_request
from engine.endpoint.client import Call, number
from engine.endpoint.protocol import written
from engine.endpoint.scoring import Remote, way_of
from engine.endpoint.text import messages, text_of
from engine.progress import plan


@dataclass(frozen=True)
class Question:
    """A prompt and the most tokens of its answer."""

    ids: tuple[int, ...]
    most: int


@dataclass(frozen=True)
class Answer:
    """What was written, and the tokens that were read for it and written; about, where none are told."""

    text: str
    read: int
    written: int


def write(remote: Remote, questions: Sequence[Question], turns: bool = False) -> list[Answer]:
    """An answer to each; equal questions are asked once. turns: demonstrations are turns of a chat. Raises
    EndpointError and BadInput."""
    in_chat = way_of(remote.endpoint, remote.name, "free", turns) in IN_CHAT
    new = list(dict.fromkeys(questions))
    plan(len(new))
    calls = [_in_chat(remote, question) if in_chat else _behind(remote, question) for question in new]
    answers = zip(new, remote.client.many(calls), strict=True)
    found = {question: _answer(remote, question, answer) for question, answer in answers}
    return [found[question] for question in questions]


def _answer(remote: Remote, question: Question, answer: Mapping[str, Any]) -> Answer:
    text, usage = written(answer), answer.get("usage")
    counts = [number(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    remote.client.learn(text_of(question.ids), counts[0])
    about = (remote.tokens(len(question.ids)), remote.tokens(len(text.encode())))
    read, new = (guess if count is None else count for count, guess in zip(counts, about, strict=True))
    return Answer(text, read, new)


def _in_chat(remote: Remote, question: Question) -> Call:
    asked = chat_request(messages(question.ids), "", question.most, remote.endpoint.ways.chat_extra)
    return _call(remote, "chat/completions", text_of(question.ids), asked, question.most)


def _behind(remote: Remote, question: Question) -> Call:
    text = text_of(question.ids)
    asked = {"prompt": text, "max_tokens": question.most, "temperature": 0, "stop": ["\n\n"]}
    return _call(remote, "completions", text, asked, question.most)


def _call(remote: Remote, path: str, text: str, asked: dict, most: int) -> Call:
    return Call(path, {"model": remote.endpoint.served, **asked}, remote.client.estimate(text) + most)
