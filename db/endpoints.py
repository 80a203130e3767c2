"""Models behind an OpenAI-compatible address: how one is asked, and what it was found to answer.

Boundary: descriptions and checks of what a person typed; nothing here calls an address. Of a key only the
name of the environment variable that holds it is known.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from db.errors import BadInput
from db.names import quoted

CONCURRENCY, TIMEOUT_S, BUDGET, CONTEXT = 4, 60.0, 500_000, 4096
"""Calls at once, seconds for one answer, tokens for one ranking or one measurement of effects, and tokens of
a prompt where neither the server nor its owner says how many."""

EXACT_UP_TO = 4
"""Demonstrations whose effects are exact; beyond, each one alone is left out, as every subset takes calls."""

_KEY_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")  # capitals, as keys seldom are


@dataclass(frozen=True)
class Ways:
    """What a server answers, as tried out when it was registered.

    prompt: how it gives log-probabilities of a prompt's tokens, "echo" or "prompt_logprobs"; "" where it does
    not. next, chat_next: how many of the likeliest next tokens it gives after a text and in a chat; 0: none.
    ids: whether those after a text can be asked for by their ids. text, chat: whether it writes on. parting:
    whether line ends that follow each other stay tokens of their own. bytes_per_token: of English titles,
    about. chat_extra: what a chat takes besides the usual fields, to be answered without thinking aloud.
    """

    prompt: str = ""
    next: int = 0
    ids: bool = False
    chat_next: int = 0
    text: bool = False
    chat: bool = False
    parting: bool = True
    bytes_per_token: float = 3.0
    chat_extra: dict[str, Any] = field(default_factory=dict)


SAID = {
    "prompt": "log-probabilities of a prompt's tokens",
    "next": "log-probabilities of the next token",
    "chat_next": "log-probabilities in a chat",
    "text": "plain text",
    "chat": "plain text in a chat",
}
"""What is looked for, in words; the names are fields of `Ways`."""

NEEDS = {
    "calibrated": ("prompt",),
    "sum": ("prompt",),
    "mean": ("prompt",),
    "yes_no": ("prompt", "next", "chat_next"),
    "listwise": ("prompt", "next", "chat_next"),
    "free": ("chat", "text"),
}
"""What each way of scoring can be answered by, the best first."""

IN_CHAT = ("chat_next", "chat")
"""Ways that send messages, of which demonstrations can be turns; the others send plain text."""

SENT = {
    "prompt": "Prompts were sent as plain text: what chat template the server would write is not known.",
    "next": "Prompts were sent as plain text, without a chat template.",
    "text": "Prompts were sent as plain text, without a chat template.",
    "chat_next": "Prompts were sent in a chat, behind a system message that asks for one word.",
    "chat": "Prompts were sent in a chat.",
}
"""What each way sends, in a sentence for the runs made by it."""

INSIDE = {
    "perturb": "Edits act on keys and values",
    "forward": "Forward tuning changes keys and values",
}
"""Fields of a request that act inside a model, and why: those of a model behind an endpoint are not here."""

ORDERS = 4  # of the list, that labels are averaged over

_BEST = ("calibrated", "yes_no", "listwise", "free")


@dataclass(frozen=True)
class Endpoint:
    """One model of one server. `served`: its name there. `key_from`: the environment variable with the key,
    or "". `budget`: the most tokens, read and written, that one ranking or one measurement may take.
    """

    url: str
    served: str
    key_from: str = ""
    concurrency: int = CONCURRENCY
    timeout_s: float = TIMEOUT_S
    budget: int = BUDGET
    ways: Ways = field(default_factory=Ways)
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """What it is registered with: its address and its name there."""
        return f"{self.url}#{self.served}"

    def way(self, scoring: str, turns: str = "one") -> str:
        """The best of `NEEDS` that the server answers, in a chat where demonstrations are its turns; "" where
        it answers none."""
        ways = [way for way in NEEDS.get(scoring, ()) if turns == "one" or way in IN_CHAT]
        return next((way for way in ways if getattr(self.ways, way)), "")

    @property
    def scorings(self) -> tuple[str, ...]:
        """Every way of scoring that the server can answer."""
        return self.scorings_in("one")

    def scorings_in(self, turns: str) -> tuple[str, ...]:
        """Those that it can answer with demonstrations in one message, or as turns of a chat."""
        return tuple(scoring for scoring in NEEDS if self.way(scoring, turns))

    @property
    def best(self) -> str:
        """The scoring that `auto` means: the likelihood of titles if that can be had; "" where none can."""
        return next((scoring for scoring in _BEST if self.way(scoring)), "")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; `read` gives it back."""
        return {**asdict(self), "notes": list(self.notes)}


def calls(endpoint: Endpoint, scoring: str, candidates: int, demonstrations: int, turns: str = "one") -> int:
    """How many calls effects take at most: each prompt that is written, with each answer."""
    exact = demonstrations <= EXACT_UP_TO
    prompts = (2**demonstrations if exact else demonstrations + 2) + 1 + (scoring == "calibrated")
    lists = min(ORDERS, candidates)
    if endpoint.way(scoring, turns) == "prompt":
        each = {"yes_no": 3 * candidates, "listwise": lists * (1 + candidates)}.get(scoring, 1 + candidates)
    else:
        each = lists if scoring == "listwise" else candidates
    return prompts * each


def read(details: Mapping[str, Any]) -> Endpoint | None:
    """The endpoint that a model's details describe; None for a model of this machine."""
    stored = details.get("endpoint")
    if stored is None:
        return None
    return Endpoint(**{**stored, "ways": Ways(**stored["ways"]), "notes": tuple(stored["notes"])})


def is_address(source: str) -> bool:
    """Whether what was typed for a model is an address and no folder or hub id."""
    return source.strip().lower().startswith(("http://", "https://"))


def checked_url(url: str) -> str:
    """The address as it is called, without a slash at its end; `/v1` where it has no path.

    Raises BadInput for one that holds a password, or a query that may hold a key, and for none at all.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BadInput(f"This is no address of a server ({error}). Nothing was called.") from None
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            "The address holds a user name or a password, which would be stored and shown. Nothing was "
            "called. Put the key into an environment variable and name that with --key-from."
        )
    if parts.query or parts.fragment:
        raise BadInput(
            "The address goes on behind a ? or a #, where keys are often put, and it would be stored and "
            "shown. Nothing was called. Give it up to /v1, and a key with --key-from."
        )
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise BadInput(f"{quoted(url)} is no address such as http://host:8000/v1. Nothing was called.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port is None else f"{host}:{port}"
    return f"{parts.scheme.lower()}://{where}{parts.path.rstrip('/') or '/v1'}"


def checked_key_name(name: str) -> str:
    """The name of an environment variable. Raises BadInput, without repeating it, as it may be the key."""
    if name and not _KEY_NAME.fullmatch(name):
        raise BadInput(
            "--key-from takes the name of an environment variable in capital letters, such as "
            "OPENAI_API_KEY, and not the key itself. Nothing was stored or called."
        )
    return name
