"""What servers answer, read: log-probabilities of a prompt, of the next token, and text.

vLLM, SGLang, llama.cpp's server and hosted services write the same things in different places. Whatever is
missing, not a number or not of the prompt that was sent raises Unusable: nothing is guessed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.endpoint.client import EndpointError

_ROUNDING = 1e-3  # a log-probability may be above 0 by so much
_BY_ID = "token_id:"


class Unusable(EndpointError):
    """The answer does not hold what was asked for."""


@dataclass(frozen=True)
class Read:
    """The tokens of a prompt as the server names them, and their log-probabilities; the first has none."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]


@dataclass(frozen=True)
class Next:
    """One of the likeliest next tokens. `id`: None where the server does not say it."""

    id: int | None
    text: str
    logprob: float


def read_request(way: str, text: str) -> dict[str, Any]:
    """What asks for the log-probabilities of a prompt. One token is written, as not every server takes 0."""
    asked = {"prompt": text, "max_tokens": 1, "temperature": 0}
    return asked | ({"echo": True, "logprobs": 1} if way == "echo" else {"prompt_logprobs": 0})


def prompt_read(answer: Mapping[str, Any], way: str, text: str) -> Read:
    """The answer to `read_request`. Raises Unusable where it is not that of the whole prompt."""
    choice = _choice(answer)
    tokens, values = _echoed(choice) if way == "echo" else _listed(choice)
    count = _prompt_tokens(answer)
    if way == "echo":
        usage = answer.get("usage") or {}
        written = usage.get("completion_tokens")
        if count is None:
            if not str(choice.get("text", "")).startswith(text):
                raise Unusable("The server does not give the prompt back (it ignores echo).")
            count = len(tokens) - 1
        elif len(tokens) not in (count, count + (written if isinstance(written, int) else 1)):
            raise Unusable(f"The server gave {len(tokens)} log-probabilities for {count} tokens of a prompt.")
    elif count is not None and len(tokens) != count:
        raise Unusable(f"The server gave {len(tokens)} log-probabilities for {count} tokens of a prompt.")
    tokens, values = tokens[:count], values[:count]
    if len(tokens) < 2:
        raise Unusable("The server gave no log-probabilities of the prompt.")
    first, *others = values
    numbers = [_number(value) for value in others]
    return Read(tuple(tokens), (None if first is None else _number(first), *numbers))


def next_tokens(answer: Mapping[str, Any]) -> list[Next]:
    """The likeliest tokens at the first place that was written, after a text or in a chat."""
    logprobs = _choice(answer).get("logprobs")
    if not isinstance(logprobs, Mapping):
        raise Unusable("The server gave no log-probabilities of the next token.")
    content = logprobs.get("content")
    if isinstance(content, Sequence) and content:
        first = content[0]
        rows = first.get("top_logprobs") if isinstance(first, Mapping) else None
        found = [
            Next(_id(row), str(row.get("token", "")), _number(row.get("logprob")))
            for row in rows or ()
            if isinstance(row, Mapping)
        ]
    else:
        places = logprobs.get("top_logprobs")
        rows = places[0] if isinstance(places, Sequence) and places else None
        found = [_named(name, _number(value)) for name, value in (rows or {}).items()]
    if not found:
        raise Unusable("The server gave no log-probabilities of the next token.")
    return found


def written(answer: Mapping[str, Any]) -> str:
    """The text a server wrote, in a chat or after a text."""
    choice = _choice(answer)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text")
    if text is None and isinstance(message, Mapping):
        return ""  # all tokens went into thinking aloud
    if not isinstance(text, str):
        raise Unusable("The server's answer holds no text.")
    return text


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, Sequence) or not choices or not isinstance(choices[0], Mapping):
        raise Unusable("The server's answer holds no choices.")
    return choices[0]


def _echoed(choice: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    logprobs = choice.get("logprobs")
    logprobs = logprobs if isinstance(logprobs, Mapping) else {}
    tokens, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise Unusable("The server gave no log-probabilities of the prompt.")
    return [str(token) for token in tokens], values


def _listed(choice: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    places = choice.get("prompt_logprobs")
    if not isinstance(places, list) or not places:
        raise Unusable("The server gave no log-probabilities of the prompt.")
    tokens, values = [], []
    for number, place in enumerate(places):
        if place is None and number == 0:
            tokens.append("")
            values.append(None)
            continue
        if not isinstance(place, Mapping) or len(place) != 1:
            raise Unusable("The server gave other log-probabilities of the prompt than those of its tokens.")
        [(name, said)] = place.items()
        said = said if isinstance(said, Mapping) else {}
        tokens.append(f"{name} {said.get('decoded_token', '')}")
        values.append(said.get("logprob"))
    return tokens, values


def _prompt_tokens(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and count > 0 else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unusable("A log-probability in the server's answer is no number.")
    if value > _ROUNDING:
        raise Unusable(f"A log-probability in the server's answer is {value:g}, which none can be.")
    return min(0.0, float(value))


def _id(row: Mapping[str, Any]) -> int | None:
    found = row.get("id")
    return found if isinstance(found, int) else _named(str(row.get("token", "")), 0.0).id


def _named(name: str, logprob: float) -> Next:
    number = name.removeprefix(_BY_ID)
    by_id = name.startswith(_BY_ID) and number.isdigit()
    return Next(int(number) if by_id else None, name, logprob)
