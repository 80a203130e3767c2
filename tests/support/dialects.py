"""How real servers speak the OpenAI protocol where they differ: vLLM, SGLang and llama.cpp's server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


def openai(status: int, message: str) -> Body:
    """An error as the OpenAI protocol has it; vLLM, too, since 2025."""
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}


def flat(status: int, message: str) -> Body:
    """An error as SGLang writes it, and older vLLM."""
    return {"object": "error", "message": message, "type": "BadRequest", "param": None, "code": status}


def fastapi(status: int, message: str) -> Body:
    """An error of the library below vLLM and SGLang: of a path that is not there, or of a field."""
    return {"detail": message if status == 404 else [{"loc": ["body", "prompt"], "msg": message}]}


def llama_cpp(status: int, message: str) -> Body:
    """An error of llama.cpp's server."""
    kind = {500: "server_error", 503: "unavailable_error"}.get(status, "invalid_request_error")
    return {"error": {"code": status, "message": message, "type": kind}}


@dataclass(frozen=True)
class Dialect:
    """`lacks`: of what the test server can do. `error`: how one is written, `absent`: of a path that is not
    there. `most`: of the likeliest tokens after a text. `too_long`: status and message, of {read} tokens with
    {written} for {length}. `content`: log-probabilities after a text stand as in a chat. `echo`: what is said
    of it, with status 500, where it is refused. `row`: what the list of models says besides."""

    error: Callable[[int, str], Body] = openai
    absent: Callable[[int, str], Body] = openai
    lacks: frozenset[str] = frozenset()
    most: int = 20
    too_long: tuple[int, str] = (400, "This model's maximum context length is {length} tokens.")
    content: bool = False
    echo: str = ""
    row: Callable[[int], Body] = lambda length: {"max_model_len": length}
    props: bool = False


DIALECTS = {
    "openai": Dialect(),
    "vllm": Dialect(
        absent=fastapi,
        too_long=(
            400,
            "This model's maximum context length is {length} tokens. However, you requested {written} output "
            "tokens and your prompt contains at least {read} input tokens.",
        ),
        row=lambda length: {"owned_by": "vllm", "root": "tiny", "parent": None, "max_model_len": length},
    ),
    "sglang": Dialect(
        error=flat,
        absent=fastapi,
        lacks=frozenset({"prompt_logprobs", "ids"}),
        most=10_000,
        too_long=(
            400,
            "The input ({read} tokens) is longer than the model's context length ({length} tokens).",
        ),
        row=lambda length: {"owned_by": "sglang", "root": "tiny", "max_model_len": length},
    ),
    "llama.cpp": Dialect(
        error=llama_cpp,
        absent=llama_cpp,
        lacks=frozenset({"echo", "prompt_logprobs", "ids"}),
        most=10_000,
        too_long=(
            400,
            "request ({read} tokens) exceeds the available context size ({length} tokens), try increasing it",
        ),
        content=True,
        echo="Only no echo is supported",
        row=lambda length: {"owned_by": "llamacpp", "meta": {"n_ctx": length, "n_ctx_train": 131072}},
    ),
    "llama.cpp 2024": Dialect(  # ignores echo, cannot say in the list what it serves, and takes 500 for 400
        error=llama_cpp,
        absent=llama_cpp,
        lacks=frozenset({"echo", "prompt_logprobs", "ids"}),
        most=10_000,
        too_long=(500, "the request exceeds the available context size. try increasing the context size"),
        content=True,
        row=lambda _: {"owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}},
        props=True,
    ),
}
