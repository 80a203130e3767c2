"""Log-probabilities of answers behind prompts, asked of a server by the best way it has.

`prompt`: prompt and answer are sent together and the answer's tokens are those behind the prompt's own, which
is sent too: no text is searched, and where a token crosses the border nothing is computed. `next` and
`chat_next`: the answer's first token among the likeliest.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from db.errors import BadInput
from engine.endpoint.client import Call, Client, number
from engine.endpoint.protocol import Next, Read, Unusable, next_tokens, prompt_read, read_request
from engine.endpoint.text import messages, text_of
from engine.llm.scoring.log_probs import Row
from engine.prompts import Template

LETTERS = 26  # candidates whose labels are one letter, and so one token


@dataclass(frozen=True)
class Found:
    """An answer's log-probability and its number of tokens. `missing`: it was not among the likeliest tokens;
    the log-probability is then that of the least likely of these, which is too high."""

    logprob: float
    tokens: int = 1
    missing: bool = False


class Answers:
    """Answers by one way; what was asked before is not asked again. `system`: what a chat is told first."""

    def __init__(self, client: Client, way: str, system: str = "") -> None:
        self._client, self._way, self._system = client, way, system
        self._reads: dict[str, Read] = {}
        self._nexts: dict[str, list[Next]] = {}
        self._ids: dict[str, list[int]] = {}

    def calls(self, rows: Sequence[Row]) -> int:
        """How many calls `found` will make for these rows."""
        return len(self.texts(rows))

    def texts(self, rows: Sequence[Row]) -> list[str]:
        """What `found` will send for these rows."""
        known = self._reads if self._way == "prompt" else self._nexts
        wanted = _texts(rows) if self._way == "prompt" else dict.fromkeys(map(_context, rows))
        return [text for text in wanted if text not in known]

    def found(self, rows: Sequence[Row]) -> list[Found]:
        """One for each row, whose last `scored` ids are the answer. Raises EndpointError and BadInput."""
        if self._way == "prompt":
            return self._behind(rows)
        return self._likeliest(rows)

    def tokens(self, row: Row) -> int:
        """How many tokens the server counted before a row's answer, where it said so."""
        read = self._reads.get(_context(row))
        return len(read.tokens) if read else self._client.estimate(_context(row))

    def _behind(self, rows: Sequence[Row]) -> list[Found]:
        way = self._client.endpoint.ways.prompt
        new = self.texts(rows)
        calls = [self._call("completions", text, read_request(way, text), 1) for text in new]
        for text, answer in zip(new, self._client.many(calls), strict=True):
            read = self._reads[text] = prompt_read(answer, way, text)
            self._client.learn(text, len(read.tokens))
        return [self._row(row) for row in rows]

    def _row(self, row: Row) -> Found:
        context, whole = (self._reads[text] for text in (_context(row), text_of(row.ids)))
        border = len(context.tokens)
        values = [value for value in whole.logprobs[border:] if value is not None]
        if whole.tokens[:border] != context.tokens or not values:
            answer = text_of(row.ids[-row.scored :]).strip()
            raise Unusable(
                f"The server's tokenizer joins the end of the question with the answer {answer[:60]!r}, so "
                "the answer has no likelihood of its own. Nothing was stored. Choose another way of scoring, "
                "or another model."
            )
        return Found(math.fsum(values), len(values))

    def _likeliest(self, rows: Sequence[Row]) -> list[Found]:
        answers = [text_of(row.ids[-row.scored :]).strip() for row in rows]
        heads = _heads(answers)
        if any(answer.isdigit() for answer in answers):
            raise BadInput(
                f"The server tells only the next token, and labels above {LETTERS} are numbers of several. "
                f"Use at most {LETTERS} candidates, or --scoring yes_no."
            )
        by_id = self._by_id([*heads.values()])
        contexts = {_context(row): row.ids[: len(row.ids) - row.scored] for row in rows}
        new = [text for text in contexts if text not in self._nexts]
        if self._way == "next":
            calls = [self._next_call(text, tuple(by_id.values())) for text in new]
        else:
            calls = [self._chat_call(text, contexts[text]) for text in new]
        for text, answer in zip(new, self._client.many(calls), strict=True):
            self._nexts[text] = next_tokens(answer)
            self._client.learn(text, number(answer.get("usage"), "prompt_tokens"))
        return [
            looked_up(self._nexts[_context(row)], heads[answer], by_id.get(heads[answer]))
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _next_call(self, text: str, ids: Sequence[int]) -> Call:
        return self._call("completions", text, next_request(text, self._client.endpoint.ways.next, ids), 1)

    def _chat_call(self, text: str, ids: Sequence[int]) -> Call:
        ways = self._client.endpoint.ways
        asked = chat_request(messages(ids), self._system, 1, ways.chat_extra)
        return self._call(
            "chat/completions", text, asked | {"logprobs": True, "top_logprobs": ways.chat_next}, 32
        )

    def _by_id(self, answers: Sequence[str]) -> dict[str, int]:
        """The token of each answer, where they are asked for by their ids and each is one token."""
        if self._way != "next" or not self._client.endpoint.ways.ids:
            return {}
        for answer in dict.fromkeys(answers):
            if answer not in self._ids:
                self._ids[answer] = token_ids(self._client, f" {answer}")
        if any(len(self._ids[answer]) != 1 for answer in answers):
            return {}
        return {answer: self._ids[answer][0] for answer in dict.fromkeys(answers)}

    def _call(self, path: str, text: str, asked: dict, more: int) -> Call:
        return Call(
            path, {"model": self._client.endpoint.served, **asked}, self._client.estimate(text) + more
        )


def next_request(text: str, most: int, ids: Sequence[int] = ()) -> dict:
    """What asks for the likeliest next tokens after a text, or for those of these ids (vLLM)."""
    asked = {"prompt": text, "max_tokens": 1, "temperature": 0, "logprobs": most}
    if not ids:
        return asked
    return asked | {"logprobs": 1, "logprob_token_ids": list(ids), "return_tokens_as_token_ids": True}


def chat_request(said: Sequence[dict[str, str]], system: str, most: int, extra: dict) -> dict:
    """What asks in a chat, behind messages, the first by the user."""
    first = [{"role": "system", "content": system}] if system else []
    return {"messages": [*first, *said], "max_tokens": most, "temperature": 0, **extra}


def system_of(template: Template, scoring: str) -> str:
    """What a chat is told first: without it models answer in sentences."""
    if scoring == "listwise":
        return "Answer with one label of the list and nothing else."
    form = template.form(scoring)
    return f"Answer with one word: {_head(form.yes)} or {_head(form.no)}."


def token_ids(client: Client, text: str) -> list[int]:
    """The server's own tokens of a text, by `/tokenize`, which vLLM, SGLang and llama.cpp have beside the
    OpenAI protocol. Raises EndpointError."""
    asked = {"model": client.endpoint.served, "prompt": text, "content": text}
    answer = client.call("/tokenize", asked | {"add_special_tokens": False, "add_special": False})
    found = answer.get("tokens")
    if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
        raise Unusable("The server did not give tokens of a text.")
    return found


def looked_up(likeliest: Sequence[Next], answer: str, id: int | None = None) -> Found:
    """An answer among the likeliest next tokens: by its id, or all that spell it, with a blank or without."""
    if id is not None:
        hits = [one.logprob for one in likeliest if one.id == id]
    else:
        hits = [one.logprob for one in likeliest if _same(one.text, answer)]
    if hits:
        top = max(hits)
        return Found(top + math.log(math.fsum(math.exp(hit - top) for hit in hits)))
    return replace(Found(min(one.logprob for one in likeliest)), missing=True)


def _heads(answers: Sequence[str]) -> dict[str, str]:
    """Each answer with its first word: the next token is no more. Raises BadInput where two begin alike."""
    heads = {answer: _head(answer) for answer in answers}
    if len({head.casefold() if len(head) > 1 else head for head in heads.values()}) < len(heads):
        raise BadInput(
            f"The server tells only the next token, and the template's answers begin alike "
            f"({' and '.join(map(repr, heads))}). Choose another template or scoring."
        )
    return heads


def _head(answer: str) -> str:
    """The first word of an answer: of `Yes.` it is `Yes`."""
    word = re.search(r"\w+", answer)
    return word.group() if word else answer


def _same(token: str, answer: str) -> bool:
    """Yes and No in any case; a label only in its own, as a small a is a word."""
    bare = token.strip(" ▁Ġ")
    return bare.casefold() == answer.casefold() if len(answer) > 1 else bare == answer


def _context(row: Row) -> str:
    return text_of(row.ids[: len(row.ids) - row.scored])


def _texts(rows: Sequence[Row]) -> dict[str, None]:
    """What must be read for these rows: every question, and every question with its answer."""
    return dict.fromkeys([*map(_context, rows), *(text_of(row.ids) for row in rows)])
