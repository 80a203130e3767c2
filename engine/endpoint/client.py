"""Calls to an OpenAI-compatible server: several at once, tried again, within a budget of tokens.

Knows HTTP and JSON, no prompts. The key is read from the environment for each client, sent in one header, and
taken out of whatever the server says before anybody sees it.
"""

import contextlib
import email.utils
import ipaddress
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import httpx

from db.endpoints import Endpoint
from db.errors import ModelError
from engine.progress import give_way

TRIES = 5
PAUSE_S = 1.0  # before the second try; doubled with each, and up to as much again by chance
LONGEST_PAUSE_S = 60.0  # that a server may ask for
LARGEST = 64 * 2**20  # bytes of one answer
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
# How servers say that a prompt is too long: OpenAI and vLLM, vLLM, SGLang, llama.cpp, others.
_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum model length|longer than the model|prompt (is )?too long", re.I
)
_HIDDEN = "[key]"

Payload = dict[str, Any]


class EndpointError(ModelError):
    """The server could not be asked, or its answer cannot be used."""


class Refused(EndpointError):
    """The server refused a call and would do so again. `status`: that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unanswered(EndpointError):
    """No try had an answer. `why`: what the last one met."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class OverBudget(EndpointError):
    """The next call might take more tokens than there are left."""


class _Again(Exception):
    """Another try may succeed. `pause_s`: what the server asks for, or None. `refused`: by a status, so that
    nothing was computed."""

    def __init__(self, why: str, pause_s: float | None = None, refused: bool = False) -> None:
        super().__init__(why)
        self.pause_s, self.refused = pause_s, refused


@dataclass
class Spent:
    """What was asked of a server so far; `retries` are calls, too."""

    calls: int = 0
    retries: int = 0
    read: int = 0
    written: int = 0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.read + self.written

    def as_dict(self) -> dict[str, int]:
        """Ready for JSON."""
        return {**vars(self), "tokens": self.tokens}


@dataclass(frozen=True)
class Call:
    """One call. `tokens`: about how many it reads and writes, for the budget."""

    path: str
    payload: Payload
    tokens: int


class Client:
    """One piece of work's calls to one server. `call` and `many` raise EndpointError.

    Attributes: `spent`, the totals; `estimate`, how many tokens a text is, at most about, learned from what
    the server says of those it read.
    """

    def __init__(self, endpoint: Endpoint, tries: int = TRIES, pause_s: float = PAUSE_S) -> None:
        """Raises ModelError where the variable that is to hold the key is not set."""
        self.endpoint, self.spent = endpoint, Spent()
        self._tries, self._pause_s, self._reserved = tries, pause_s, 0
        self._bytes_per_token = endpoint.ways.bytes_per_token
        self._lock, self._over = threading.Lock(), threading.Event()
        self._key = _key(endpoint.key_from)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy of the environment does not know this machine's own servers; redirects could carry the key
        # to another host.
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(endpoint.timeout_s, connect=min(15.0, endpoint.timeout_s)),
            follow_redirects=False,
            trust_env=not is_loopback(endpoint.url),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.close()

    def get(self, path: str) -> Any:
        """The JSON at a path behind the address; of its root where it starts with a slash."""
        return self._tried(lambda: self._sent("GET", path, None))

    def call(self, path: str, payload: Payload, tokens: int = 0) -> Any:
        """One answer as JSON."""
        return self._counted(Call(path, payload, tokens))

    def many(self, calls: Sequence[Call]) -> list[Any]:
        """Answers in order, so many at once as the endpoint allows. Gives way meanwhile, and counts each call
        as one piece of what was planned (`engine.progress.plan`)."""
        pool = ThreadPoolExecutor(self.endpoint.concurrency, thread_name_prefix="endpoint")
        try:
            futures = [pool.submit(self._counted, call) for call in calls]
            _finished(futures)
            return [future.result() for future in futures]
        except BaseException:
            self._over.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def estimate(self, text: str) -> int:
        """About how many tokens a text is; rather too many."""
        return int(len(text.encode()) / self._bytes_per_token * 1.1) + 8

    def learn(self, text: str, tokens: int | None) -> None:
        """What the server counted for a text, where it says so."""
        if tokens:
            with self._lock:
                found = min(self._bytes_per_token, len(text.encode()) / tokens)
                self._bytes_per_token = max(0.5, found)

    def _counted(self, call: Call) -> Any:
        with self._reserving(call.tokens):
            answer = self._tried(lambda: self._sent("POST", call.path, call.payload), call.tokens)
            usage = answer.get("usage") if isinstance(answer, dict) else None
            read, written = (number(usage, name) for name in ("prompt_tokens", "completion_tokens"))
            with self._lock:
                self.spent.read += call.tokens if read is None else read
                self.spent.written += written or 0
        return answer

    @contextlib.contextmanager
    def _reserving(self, tokens: int) -> Iterator[None]:
        with self._lock:
            left = self.endpoint.budget - self.spent.tokens - self._reserved
            if tokens > left:
                raise OverBudget(
                    f"Stopped before the budget of {self.endpoint.budget:,} tokens was passed: "
                    f"{self.spent.tokens:,} are spent in {self.spent.calls:,} calls, and the next may take "
                    f"{tokens:,}. Use fewer candidates or demonstrations, or register the model again with a "
                    "larger --budget."
                )
            self._reserved += tokens
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= tokens

    def _lost(self, tokens: int) -> None:
        """An answer that was lost on its way may have been computed, and paid for. Raises OverBudget where
        there may not be enough for another try."""
        with self._lock:
            self.spent.read += tokens
            if self.spent.tokens + self._reserved <= self.endpoint.budget:
                return
        raise OverBudget(
            f"Stopped before the budget of {self.endpoint.budget:,} tokens was passed: an answer was lost on "
            "its way, and another try might pass it. Nothing was stored. Try again when the server answers, "
            "or register the model again with a larger --budget."
        )

    def _tried(self, send: Callable[[], Any], tokens: int = 0) -> Any:
        why, asked = "", None
        for tries in range(1, self._tries + 1):
            if self._over.is_set():
                raise EndpointError("The work that asked was ended.")
            with self._lock:
                self.spent.calls += 1
                self.spent.retries += tries > 1
            try:
                return send()
            except _Again as error:
                why, asked = str(error), error.pause_s
                if not error.refused:
                    self._lost(tokens)
            except httpx.TransportError as error:
                why, asked = self._plain(error), None
                if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    self._lost(tokens)
            if asked is not None and asked > LONGEST_PAUSE_S:
                raise EndpointError(
                    f"{self.endpoint.url} asks for a pause of {asked:,.0f} s. Nothing was stored. Try again "
                    "then, or allow it fewer calls at once (--concurrency)."
                )
            if tries < self._tries:
                backoff = self._pause_s * 2 ** (tries - 1) * random.uniform(1, 2)
                self._over.wait(max(asked or 0.0, backoff))
        raise Unanswered(
            f"{self.endpoint.url} did not answer in {self._tries} tries: {why}. Nothing was stored. See "
            "whether the server runs, and try again.",
            why,
        )

    def _sent(self, method: str, path: str, payload: Payload | None) -> Any:
        url = f"{_root(self.endpoint.url)}{path}" if path.startswith("/") else f"{self.endpoint.url}/{path}"
        until = time.monotonic() + self.endpoint.timeout_s
        with self._http.stream(method, url, json=payload) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise EndpointError(f"{url} answered with more than {LARGEST:,} bytes. It was not read.")
                if time.monotonic() > until:
                    raise _Again(f"no whole answer in {self.endpoint.timeout_s:g} s")
        if answer.status_code in _AGAIN and not _TOO_LONG.search(_message(bytes(body))):
            pause = _asked_pause(answer.headers.get("Retry-After"))
            said = self._plain(_message(bytes(body)))
            raise _Again(f"status {answer.status_code}{said}", pause, refused=True)
        if answer.status_code != 200:
            raise self._refusal(url, answer.status_code, bytes(body), answer.headers.get("Location"))
        try:
            found = json.loads(body)
        except ValueError:
            raise _Again("the answer is no JSON") from None
        if not isinstance(found, dict):
            raise _Again("the answer is no JSON object")
        return found

    def _refusal(self, url: str, status: int, body: bytes, location: str | None) -> Refused:
        said = self._plain(_message(body))
        if status in (401, 403):
            name = self.endpoint.key_from
            how = f"the key in {name}" if name else "calls without a key"
            todo = "Correct the variable" if name else "Register it with --key-from VARIABLE"
            return Refused(status, f"{url} refuses {how} (status {status}{said}). {todo} and try again.")
        if 300 <= status < 400:
            to = self._plain(location or "another place").split("?")[0]
            return Refused(status, f"{url} sends on to {to}. Register the address that it leads to.")
        if _TOO_LONG.search(said):
            return Refused(
                status,
                f"The prompt is too long for the server{said}. Use fewer demonstrations, a shorter history "
                "or fewer candidates, or register the model again with a smaller --context.",
            )
        return Refused(status, f"{url} refused the call: status {status}{said}.")

    def _plain(self, said: object) -> str:
        """One short line without the key."""
        text = said if isinstance(said, str) else str(said) or type(said).__name__
        text = text.replace(self._key, _HIDDEN) if self._key else text
        return " ".join(text.split())[:300].rstrip(".")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = httpx.URL(url).host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def _root(url: str) -> str:
    """The address without the version of the protocol, where servers have paths of their own."""
    return url.removesuffix("/v1")


def _key(name: str) -> str:
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise ModelError(
            f"The environment variable {name}, which is to hold the key, is not set where the engine runs. "
            "Nothing was called. Set it there, and start the engine again."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(f"What the environment variable {name} holds is no key. Nothing was called.")
    return key


def _finished(futures: Sequence[Future[Any]]) -> None:
    """Wait for all, or for the first that fails."""
    left = set(futures)
    while left:
        done, left = wait(left, timeout=0.1, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        give_way(len(done))


def _asked_pause(header: str | None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date."""
    if not header:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    return None


def _message(body: bytes) -> str:
    """What an answer says went wrong, to be put behind the status."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    error = found.get("error") or found.get("detail") or found if isinstance(found, dict) else None
    if isinstance(error, list):  # FastAPI's, one for each field that is wrong
        error = "; ".join(str(each.get("msg")) for each in error if isinstance(each, dict))
    text = error.get("message") if isinstance(error, dict) else error
    return f": {text}" if isinstance(text, str) and text.strip() else ""


def number(usage: object, name: str) -> int | None:
    """A count of an answer's `usage`, None where the server does not say it."""
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
