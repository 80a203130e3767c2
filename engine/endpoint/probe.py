"""What a server answers, found out by asking it: once, when it is registered.

An answer counts only where it is consistent: log-probabilities of a prompt must begin like those of the
prompt's beginning, must not all be alike, and must agree with what the server says of the token that it
writes itself. A server that ignores `echo`, or makes numbers up, is found out by that.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.endpoints import BUDGET, CONTEXT, SAID, Endpoint, Ways
from engine.endpoint.answers import chat_request, next_request, token_ids
from engine.endpoint.client import TRIES, Client, EndpointError, Refused, Unanswered, is_loopback, number
from engine.endpoint.protocol import Read, Unusable, next_tokens, prompt_read, read_request, written
from engine.progress import tell

SAMPLE = "Bought:\n- Green Tea\n- Honey, 500 g\nNext:\n-"
ANSWERED = ((SAMPLE, " Lemon Cake\n"), (f"{SAMPLE} Lemon Cake\nAnswer:", " Yes\n"))
BLANK_LINE = "Bought:\n- Green Tea\nNext:\n- Honey\n\nBought:\n- Milk\n"
SAY, TOLD = "Say Yes.", "Answer with one word."
ASKED_IN_CHAT = ([{"role": "user", "content": SAY}], TOLD)
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}  # vLLM, SGLang, llama.cpp
NEXT_MOST, CHAT_MOST = (100, 20, 5), (20, 5)
ALIKE = 0.1  # nats on average between two readings of the same tokens: more is no rounding
QUICK = 2  # tries of what a server may not have


@dataclass(frozen=True)
class Probed:
    """An endpoint with what it answers. `context_length`: tokens; `told`: whether the server said it."""

    endpoint: Endpoint
    context_length: int
    told: bool


def probe(endpoint: Endpoint, context_length: int | None = None, pause_s: float = 1.0) -> Probed:
    """Ask the server what it is and what it answers. `endpoint.served` may be empty: its only model, then.

    Raises EndpointError where it is not there, does not have that model, or answers neither text nor chat.
    """
    with Client(endpoint, TRIES, pause_s) as client:
        tell(None, f"asking {endpoint.url} for its models", begins=True)
        served, said = _served(client)
    endpoint = replace(endpoint, served=served)
    with Client(replace(endpoint, budget=BUDGET), QUICK, pause_s) as client:  # which is for rankings
        ways, notes = _Probe(client).ways()
    if not (ways.text or ways.chat):
        raise EndpointError(
            f"{endpoint.url} writes neither text nor answers a chat with {served!r}: {' '.join(notes)} "
            "Nothing was registered."
        )
    length = context_length or said or CONTEXT
    if not (context_length or said):
        notes.append(
            f"The server does not say how long a prompt may be: {CONTEXT:,} tokens are assumed. Say it with "
            "--context."
        )
    if endpoint.key_from and endpoint.url.startswith("http:") and not is_loopback(endpoint.url):
        notes.append("The address is not encrypted (http), so others on the way can read the key.")
    return Probed(replace(endpoint, ways=ways, notes=tuple(notes)), length, bool(context_length or said))


def found(endpoint: Endpoint) -> list[str]:
    """What works and what does not, a line each."""
    ways = endpoint.ways
    more = {
        "prompt": f" ({ways.prompt})",
        "next": f" of {'given ids' if ways.ids else f'the {ways.next} likeliest'}",
        "chat_next": f" of the {ways.chat_next} likeliest",
    }
    return [
        f"{said}: {'yes' + more.get(name, '') if getattr(ways, name) else 'no'}"
        for name, said in SAID.items()
    ]


class _Probe:
    """The questions, in order; each way is tried by itself, and why one does not work is kept."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._notes: list[str] = []
        self._bytes_per_token = Ways().bytes_per_token

    def ways(self) -> tuple[Ways, list[str]]:
        """What works, and sentences about what does not."""
        text = self._works(self._text)
        most = next((n for n in NEXT_MOST if text and self._works(functools.partial(self._next, n))), 0)
        ids = bool(most) and self._works(self._by_ids)
        way = ""
        reasons: list[str] = []
        for one in ("echo", "prompt_logprobs") if text else ():
            reasons.append(self._why(functools.partial(self._prompt, one, most)))
            if not reasons[-1]:
                way = one
                break
        if text and not way:
            self._notes.append(f"Titles cannot be scored by their likelihood: {_plain(reasons[0])}")
        parting = not way or self._parting(way)
        extra, chat = self._chat()
        if chat and not text:
            self._works(functools.partial(self._length, extra))
        told = functools.partial(self._chat_next, extra)
        chat_next = next((n for n in CHAT_MOST if chat and self._works(functools.partial(told, n))), 0)
        made = Ways(way, most, ids, chat_next, text, chat, parting, round(self._bytes_per_token, 3), extra)
        return made, self._notes

    def _works(self, ask: Callable[[], object]) -> bool:
        return not self._why(ask)

    def _why(self, ask: Callable[[], object]) -> str:
        """Why something does not work; empty where it does. A refused key ends it all."""
        try:
            ask()
        except EndpointError as error:
            _raise_for_key(error)
            return f"The server said {error.why}." if isinstance(error, Unanswered) else str(error)
        return ""

    def _asked(self, path: str, asked: Mapping[str, Any]) -> Any:
        tell(None, f"trying {self._client.endpoint.url}/{path}", begins=True)
        return self._client.call(path, {"model": self._client.endpoint.served, **asked}, 200)

    def _text(self) -> None:
        answer = self._asked("completions", {"prompt": BLANK_LINE, "max_tokens": 1, "temperature": 0})
        written(answer)
        self._learn(number(answer.get("usage"), "prompt_tokens"))

    def _learn(self, count: int | None) -> None:
        """How long tokens are, from how many there are in BLANK_LINE."""
        if count:
            self._bytes_per_token = min(8.0, max(0.5, len(BLANK_LINE.encode()) / count))

    def _length(self, extra: dict[str, Any]) -> None:
        """The same in a chat, whose template has tokens of its own."""
        counts = []
        for more in ("", BLANK_LINE):
            said = [{"role": "user", "content": f"{SAY}{more}"}]
            answer = self._asked("chat/completions", chat_request(said, TOLD, 1, extra))
            counts.append(number(answer.get("usage"), "prompt_tokens"))
        if None not in counts:
            self._learn(counts[1] - counts[0])

    def _next(self, most: int) -> None:
        if len(next_tokens(self._asked("completions", next_request(SAMPLE, most)))) < 2:
            raise Unusable("The server gives the log-probability of one token only.")

    def _by_ids(self) -> None:
        ids = [token_ids(self._client, f" {word}") for word in ("Yes", "No")]
        if any(len(one) != 1 for one in ids):
            raise Unusable("Yes and No are not one token each.")
        wanted = {one[0] for one in ids}
        got = {one.id for one in next_tokens(self._asked("completions", next_request(SAMPLE, 1, [*wanted])))}
        if not wanted <= got:
            raise Unusable("The server does not give log-probabilities of tokens by their ids.")

    def _read(self, way: str, text: str) -> Read:
        return prompt_read(self._asked("completions", read_request(way, text)), way, text)

    def _prompt(self, way: str, most: int) -> None:
        for question, answer in ANSWERED:
            before, whole = self._read(way, question), self._read(way, question + answer)
            if whole.tokens[: len(before.tokens)] != before.tokens or len(whole.tokens) == len(before.tokens):
                raise Unusable("The server's tokenizer joins the question with the answer.")
            pairs = zip(before.logprobs[1:], whole.logprobs[1:], strict=False)
            apart = [abs(a - b) for a, b in pairs if a is not None and b is not None]
            if sum(apart) / max(1, len(apart)) > ALIKE:
                raise Unusable(
                    "The server gave other log-probabilities of the same tokens when more followed them."
                )
            if len({value for value in whole.logprobs if value is not None}) < 2:
                raise Unusable("The server gave the same log-probability for every token of a prompt.")
        if most:
            self._agrees(way, most)

    def _agrees(self, way: str, most: int) -> None:
        """What the server says of the likeliest token as the next one, and as a part of the prompt."""
        first = max(
            next_tokens(self._asked("completions", next_request(SAMPLE, most))), key=lambda one: one.logprob
        )
        text = first.text
        before = self._read(way, SAMPLE)
        whole = self._read(way, SAMPLE + text) if text.strip() else before
        if whole.tokens[: len(before.tokens)] != before.tokens or len(whole.tokens) != len(before.tokens) + 1:
            return  # its text alone is another token: nothing to compare
        said = whole.logprobs[-1]
        if said is None or abs(said - first.logprob) > 3 * ALIKE:
            raise Unusable(
                f"The server says {first.logprob:.2f} of a token as the next one and "
                f"{said if said is None else round(said, 2)} of the same token in a prompt."
            )

    def _parting(self, way: str) -> bool:
        return not any(
            pair in token for token in self._read(way, BLANK_LINE).tokens for pair in ("\n\n", "ĊĊ")
        )

    def _chat(self) -> tuple[dict[str, Any], bool]:
        """What a chat takes besides, so that it answers at once, and whether there is one."""
        for extra in ({}, NO_THINKING):
            try:
                text = written(self._asked("chat/completions", chat_request(*ASKED_IN_CHAT, 8, dict(extra))))
            except EndpointError as error:
                if extra:
                    break  # there is a chat, which does not know this field
                _raise_for_key(error)
                self._notes.append(f"There is no chat: {_plain(error)}")
                return {}, False
            if text.strip() and "<think" not in text:
                return dict(extra), True
        self._notes.append("In a chat the model thinks aloud before it answers, which costs tokens.")
        return {}, True

    def _chat_next(self, extra: dict[str, Any], most: int) -> None:
        asked = chat_request(*ASKED_IN_CHAT, 1, extra)
        next_tokens(self._asked("chat/completions", asked | {"logprobs": True, "top_logprobs": most}))


def _raise_for_key(error: EndpointError) -> None:
    """A refused key is no way that does not work: it ends it all."""
    if isinstance(error, Refused) and error.status in (401, 403):
        raise error


def _plain(error: EndpointError | str) -> str:
    """A reason, to stand behind a colon."""
    said = str(error)
    return said if said.startswith("http") else f"{said[:1].lower()}{said[1:]}"


def _served(client: Client) -> tuple[str, int | None]:
    """The model's name at the server and the length of its prompts where the server says it."""
    asked = client.endpoint.served
    try:
        listed = client.get("models").get("data")
    except Refused as error:
        if error.status not in (404, 405) or not asked:
            if error.status in (404, 405):
                raise EndpointError(
                    f"{client.endpoint.url} lists no models (status {error.status}). Nothing was registered. "
                    "Give the address up to /v1, or the model's name there with --served-model."
                ) from None
            raise
        listed = []
    rows = [row for row in listed or () if isinstance(row, Mapping) and isinstance(row.get("id"), str)]
    names = [str(row["id"]) for row in rows]
    if not asked and len(names) != 1:
        some = ", ".join(names[:10]) or "none"
        raise EndpointError(
            f"{client.endpoint.url} serves {len(names)} models ({some}). Nothing was registered. Choose one "
            "with --served-model."
        )
    if asked and names and asked not in names:
        raise EndpointError(
            f"{client.endpoint.url} does not serve {asked!r}; it serves {', '.join(names[:10])}. Nothing was "
            "registered."
        )
    served = asked or names[0]
    row = next((row for row in rows if row["id"] == served), {})
    return served, _length_of(client, row)


def _length_of(client: Client, row: Mapping[str, Any]) -> int | None:
    """How long a prompt may be by the row of the list of models: vLLM, SGLang and others say it there, and so
    does llama.cpp's server; an older one says there how long the model was trained for, and elsewhere how
    much of that it serves."""
    meta = row.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    lengths = [row.get("max_model_len"), row.get("context_length"), meta.get("n_ctx")]
    if "n_ctx_train" in meta and "n_ctx" not in meta:
        with contextlib.suppress(EndpointError):
            settings = client.get("/props").get("default_generation_settings")
            lengths.append(settings.get("n_ctx") if isinstance(settings, Mapping) else None)
    return next((n for n in lengths if isinstance(n, int) and n > 0), None)
