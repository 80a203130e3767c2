"""A server that speaks the OpenAI protocol from a tiny model, and fails in the ways that real ones do."""

import contextlib
import http.server
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from engine.llm.loading.load import LoadedModel
from tests.support.dialects import DIALECTS, Dialect


@dataclass
class Server:
    """`lacks`: some of echo, prompt_logprobs, logprobs, completions, chat, chat_logprobs, ids, usage and
    max_model_len. `lies`: "" or "zeros" or "random", what it says of a prompt. `faults`: what each call for
    an answer in turn meets: a status, "cut", "html", "slow", "list", "nan", "bare", or "" for nothing.
    `style`: one of `DIALECTS`, which lacks more. `asked`: path, payload and headers of each call; `tokens`:
    read and written, as it counts them.
    """

    loaded: LoadedModel
    address: str = ""
    lacks: set[str] = field(default_factory=set)
    lies: str = ""
    faults: list[str] = field(default_factory=list)
    style: str = "openai"
    key: str = ""
    retry_after: str = ""
    names: tuple[str, ...] = ("tiny",)
    reply: str = ""  # what it writes, where not the model's own words
    writes: Callable[[dict[str, Any]], str] | None = None  # the same, of the call's payload
    slow_s: float = 1.0
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.lacks = {*self.lacks, *self.dialect.lacks}

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.style]

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        """Log-probabilities [tokens, vocabulary] of what follows each token."""
        with self.lock, torch.no_grad():
            return torch.log_softmax(self.loaded.model(torch.tensor([ids])).logits[0].double(), -1)

    def word(self, token: int) -> str:
        return str(self.loaded.tokenizer.decode([token]))

    def completion(self, asked: dict[str, Any], ids: list[int], prompt: str) -> dict[str, Any]:
        """What it writes after these tokens, with the log-probabilities that are asked for."""
        written, places = list(ids), []
        for _ in range(asked.get("max_tokens", 16)):
            row = self.logprobs(written)[-1]
            places.append(row)
            written.append(int(row.argmax()))
        new = written[len(ids) :]
        text = self.writes(asked) if self.writes else self.reply or str(self.loaded.tokenizer.decode(new))
        choice: dict[str, Any] = {"index": 0, "text": text, "logprobs": None}
        most = asked.get("logprobs")
        if most is not None and "logprobs" not in self.lacks:
            choice["logprobs"] = self._told(asked, new, places, most)
        if asked.get("echo") and "echo" not in self.lacks:
            choice["text"] = prompt + text
            values = self._of_prompt(ids)
            if choice["logprobs"]:
                named = [self.word(token) for token in ids]
                choice["logprobs"]["tokens"] = named + choice["logprobs"].get("tokens", [])
                told = choice["logprobs"].get("token_logprobs", [])
                choice["logprobs"]["token_logprobs"] = values + told
        if "prompt_logprobs" in asked and "prompt_logprobs" not in self.lacks:
            pairs = zip(ids[1:], self._of_prompt(ids)[1:], strict=True)
            choice["prompt_logprobs"] = [None] + [
                {str(token): {"logprob": value, "rank": 1, "decoded_token": self.word(token)}}
                for token, value in pairs
            ]
        return self._answer(choice, len(ids), len(new))

    def _of_prompt(self, ids: list[int]) -> list[float | None]:
        rows = self.logprobs(ids)
        values = [float(rows[place, token]) for place, token in enumerate(ids[1:])]
        if self.lies:
            values = [0.0 if self.lies == "zeros" else -9 * random.random() for _ in values]
        return [None, *values]

    def _told(self, asked: dict, new: list[int], places: list[torch.Tensor], most: int) -> dict[str, Any]:
        row = places[0]
        if "logprob_token_ids" in asked and "ids" not in self.lacks:
            likeliest = asked["logprob_token_ids"]
        else:
            likeliest = row.topk(min(max(most, 1), len(row))).indices.tolist()
        by_id = asked.get("return_tokens_as_token_ids") and "ids" not in self.lacks
        if self.dialect.content:
            return {"content": [self._place(row, likeliest)]}
        named = {f"token_id:{t}" if by_id else self.word(t): float(row[t]) for t in likeliest}
        return {
            "tokens": [self.word(token) for token in new],
            "token_logprobs": [float(place[token]) for place, token in zip(places, new, strict=True)],
            "top_logprobs": [named, *[{}] * (len(new) - 1)],
        }

    def _place(self, row: torch.Tensor, likeliest: list[int]) -> dict[str, Any]:
        """One place as in a chat; llama.cpp says the ids, too."""
        rows = [
            {
                **({"id": t} if self.dialect.content else {}),
                "token": self.word(t),
                "bytes": list(self.word(t).encode()),
                "logprob": float(row[t]),
            }
            for t in likeliest
        ]
        return {**rows[0], "top_logprobs": rows}

    def chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What it answers in a chat."""
        tokenizer = self.loaded.tokenizer
        text = "\n".join(turn["content"] for turn in asked["messages"])
        if tokenizer.chat_template:
            text = str(
                tokenizer.apply_chat_template(asked["messages"], tokenize=False, add_generation_prompt=True)
            )
        ids = tokenizer.encode(text, add_special_tokens=True)
        plain = {"max_tokens": asked.get("max_tokens", 16), "messages": asked["messages"]}
        answer = self.completion(plain, ids, text)
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": answer["choices"][0]["text"]},
        }
        if asked.get("logprobs") and "chat_logprobs" not in self.lacks:
            row = self.logprobs(ids)[-1]
            likeliest = row.topk(asked["top_logprobs"]).indices.tolist()
            choice["logprobs"] = {"content": [self._place(row, likeliest)]}
        return {**answer, "choices": [choice]}

    def _answer(self, choice: dict[str, Any], read: int, written: int) -> dict[str, Any]:
        with self.lock:
            self.tokens += read + written
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        return {"choices": [choice], **({} if "usage" in self.lacks else {"usage": usage})}


class _Handler(http.server.BaseHTTPRequestHandler):
    server_: Server
    _answering = False

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        server = self.server_
        if not self._admitted({}):
            return
        length = server.loaded.context_length
        if self.path == "/props" and server.dialect.props:
            self._json(200, {"default_generation_settings": {"n_ctx": length}, "total_slots": 1})
        elif self.path == "/v1/models":
            more = {} if "max_model_len" in server.lacks else server.dialect.row(length)
            self._json(200, {"data": [{"id": name, "object": "model", **more} for name in server.names]})
        else:
            self._json(404, server.dialect.absent(404, "Not Found"))

    def do_POST(self) -> None:
        server = self.server_
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._admitted(asked):
            return
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            fault = server.faults.pop(0) if server.faults else ""
        self._answering = True
        self._post(server, asked, fault)

    def _post(self, server: Server, asked: dict[str, Any], fault: str) -> None:
        if fault == "slow":
            time.sleep(server.slow_s)
        if fault.isdigit():
            self._json(int(fault), {"error": {"message": f"no, {self.headers.get('Authorization')}"}})
        elif fault == "cut":
            self._send(200, b'{"choices": [', announced=1000)
        elif fault == "html":
            self._send(200, b"<html>busy</html>")
        elif fault == "bare":
            self._json(418, {})
        elif fault == "list":
            self._send(200, b"[]")
        elif fault == "nan":
            self._send(200, b'{"choices": [{"text": "x", "logprobs": {"tokens": ["a", "b"], '
                            b'"token_logprobs": [null, NaN]}}]}')  # fmt: skip
        elif self.path == "/tokenize" and "ids" not in server.lacks:
            ids = server.loaded.tokenizer.encode(asked["prompt"], add_special_tokens=False)
            assert asked["content"] == asked["prompt"]  # llama.cpp's name for it
            self._json(200, {"tokens": ids, "count": len(ids)})
        elif self.path == "/v1/completions" and "completions" not in server.lacks:
            self._completion(server, asked)
        elif self.path == "/v1/chat/completions" and "chat" not in server.lacks:
            self._json(200, server.chat(asked))
        else:
            self._json(404, server.dialect.absent(404, "Not Found"))

    def _completion(self, server: Server, asked: dict[str, Any]) -> None:
        dialect = server.dialect
        ids = server.loaded.tokenizer.encode(asked["prompt"], add_special_tokens=True)
        written, length = asked.get("max_tokens", 16), server.loaded.context_length
        if asked.get("echo") and dialect.echo:
            self._json(500, dialect.error(500, dialect.echo))
        elif (asked.get("logprobs") or 0) > dialect.most:
            said = f"Requested sample logprobs of {asked['logprobs']}, which is greater than max allowed"
            self._json(400, dialect.error(400, said))
        elif len(ids) + written > length:
            status, said = dialect.too_long
            said = said.format(read=len(ids), written=written, length=length)
            self._json(status, dialect.error(status, said))
        else:
            self._json(200, server.completion(asked, ids, asked["prompt"]))

    def _admitted(self, asked: dict[str, Any]) -> bool:
        server = self.server_
        server.asked.append((self.path, asked, dict(self.headers)))
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            self._json(401, {"error": {"message": f"wrong key: {self.headers.get('Authorization')}"}})
            return False
        return True

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes, announced: int | None = None) -> None:
        if self._answering:  # before the answer is out: the client's next call may come at once
            with self.server_.lock:
                self.server_.at_once -= 1
            self._answering = False
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            if self.server_.retry_after and status in (429, 503):
                self.send_header("Retry-After", self.server_.retry_after)
            self.send_header("Content-Length", str(len(body) if announced is None else announced))
            self.end_headers()
            self.wfile.write(body)


@contextlib.contextmanager
def serving(loaded: LoadedModel, **how: Any) -> Iterator[Server]:
    """A server of this model at an address of this machine, until the block ends."""
    made = Server(loaded, **how)
    handler = type("Handler", (_Handler,), {"server_": made})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
