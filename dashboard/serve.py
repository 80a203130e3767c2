"""`python -m dashboard.serve`: the web page alone, behind its doors. Started by `python -m dashboard`.

Beside `.streamlit/config.toml`, which Streamlit looks for next to the file that starts it.
"""

import argparse
import asyncio
import gc
import json
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import cookie_parser
from streamlit import runtime
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.web.server.starlette import starlette_server, starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from dashboard.doors import rules, sign_in
from dashboard.doors.guard import Guard
from dashboard.ui import gate

SESSION_S = 20  # a closed page can be taken up again for so long; then what it held is freed


def app(hosts: list[str], allowed: list[str] | None = None, opened: str | None = None) -> st.App:
    """The page behind its guard. `allowed`: who may come in where people sign in. `opened`: in a browser."""

    def signed_in(headers: Headers) -> bool:
        return sign_in.may_come_in(person(cookie_parser(headers.get("cookie", ""))), allowed or [])

    @asynccontextmanager
    async def started(_: st.App) -> AsyncIterator[None]:
        if opened:  # the socket listens already
            webbrowser.open(opened)
        freeing = asyncio.create_task(_free_closed())
        yield
        freeing.cancel()

    guard = Middleware(Guard, hosts=hosts, signed_in=None if allowed is None else signed_in)
    return st.App(Path(__file__).with_name("app.py"), middleware=[guard], lifespan=started)


async def _free_closed() -> None:
    """Free what closed pages held. Streamlit itself does so only when the next page closes."""
    while True:
        await asyncio.sleep(SESSION_S / 4)
        free(runtime.get_instance()._session_mgr._session_storage._cache)  # pyright: ignore[reportAttributeAccessIssue]


def free(closed: TTLCache[str, Any]) -> None:
    """Shut down the sessions whose time to be taken up again is over, with their uploads and state."""
    if _shut_down(closed):
        gc.collect()  # what a session holds refers to itself in circles


def _shut_down(closed: TTLCache[str, Any]) -> int:
    kept = dict(closed._data)
    closed.expire()
    over = [info.session for session, info in kept.items() if session not in closed]
    for session in over:
        session.shutdown()
    return len(over)


def person(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Who the signed cookie of a request says it is; empty without one, or with one that nobody signed."""
    signed = starlette_websocket._get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    try:
        found = json.loads(signed) if signed else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Streamlit's options that the command decides."""
    chosen: dict[str, Any] = {
        "server.address": arguments.host,
        "server.port": arguments.port,
        "server.headless": True,
        "server.allowedHosts": arguments.allow_host,
        "server.maxUploadSize": arguments.upload_limit,
        "server.disconnectedSessionTTL": SESSION_S,
    }
    if arguments.sign_in:
        chosen["secrets.files"] = [str(arguments.sign_in)]
    return chosen


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The options, as `dashboard.__main__` writes them."""
    parser = argparse.ArgumentParser(prog="python -m dashboard.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--allow-host", action="append", default=[])
    parser.add_argument("--upload-limit", type=int, default=rules.UPLOAD_MB)
    parser.add_argument("--sign-in", type=Path)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--with-parent", action="store_true")
    return parser.parse_args(words)


def at_once(bind: Callable[..., socket.socket]) -> Callable[..., socket.socket]:
    """`bind`, with connections that send what is written at once.

    Streamlit's socket does not name its protocol, so asyncio does not see that it is TCP and leaves Nagle's
    algorithm on. A message that follows another one then waits for the browser's acknowledgement, 40 ms: each
    file of the page, and each piece of what is drawn. Accepted connections inherit the option.
    """

    def bound(*words: Any, **named: Any) -> socket.socket:
        listening = bind(*words, **named)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening

    return bound


def _end_with_parent() -> None:
    """End once standard input closes: the parent holds its other end, however it ended."""
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Serve until stopped."""
    os.umask(0o077)  # all that it writes lies in the workspace
    arguments = parse()
    if arguments.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()
    if not arguments.allow_host:
        arguments.allow_host = sorted(rules.decide(arguments.host).hosts)
    if arguments.sign_in:
        found = sign_in.read(arguments.sign_in)
        gate.ALLOW, gate.PROVIDER = found["allow"], sign_in.provider(found)
    starlette_server._bind_socket = at_once(starlette_server._bind_socket)
    opened = rules.url(arguments.host, arguments.port) if arguments.browser else None
    app(arguments.allow_host, gate.ALLOW, opened).run(config=options(arguments))


if __name__ == "__main__":
    main()
