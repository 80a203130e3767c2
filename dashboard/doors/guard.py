"""The door itself: an ASGI layer before Streamlit that every page, socket and upload passes.

- A request whose Host is none of the server's names is refused, so that a foreign name that resolves to this
  machine (DNS rebinding) reaches nothing. So is one that another site's page sends (Origin).
- Every answer forbids other sites to frame the page and to be asked for scripts.
- Streamlit's metrics, which name sessions and memory, are not served.
- Where people sign in, uploads are taken from those who did.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnected

from dashboard.doors.rules import LOOPBACK, host_name

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

HIDDEN = ("/_stcore/metrics", "/_stcore/agent", "/st-metrics")
UPLOAD = "/_stcore/upload_file"

log = logging.getLogger("dualens.dashboard")


class Guard:
    """`hosts`: the names the server answers to. `signed_in`: whether these headers are of a person who may
    come in; None where nobody has to sign in."""

    def __init__(
        self, app: App, hosts: Collection[str], signed_in: Callable[[Headers], bool] | None = None
    ) -> None:
        self._app, self._hosts, self._signed_in = app, frozenset(hosts), signed_in

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused:
            await _refuse(scope, receive, send, *refused)
            return
        _same_host(scope, headers)
        try:
            await self._app(scope, receive, _with_headers(send, headers.get("host", "")))
        except WebSocketDisconnected:
            # Streamlit reads from, or closes, a socket whose browser has gone: nothing is lost by that.
            log.debug("a browser left")

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and reason where a request is not let in."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host_name(host)
        if len(headers.getlist("host")) != 1 or name not in self._hosts:
            said = (name or "")[:60]
            return 403, f"This Dualens does not answer to the name {said!r}. {_REMEDY}"
        if origin is not None and not self._own(origin, host):
            return 403, "This Dualens takes no requests from pages of other sites."
        path = scope["path"]
        if path.startswith(HIDDEN):
            return 404, "Not Found"
        if self._signed_in and path.startswith(UPLOAD) and not self._signed_in(headers):
            return 403, "Sign in before uploading."
        return None

    def _own(self, origin: str, host: str) -> bool:
        """Whether an Origin is the page's own, or one of a name given at the start (a proxy changes Host)."""
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        if parts.netloc.lower() == host.lower():
            return True
        # Not for loopback names: another program of this machine may serve pages at another port.
        return host_name(parts.netloc) in self._hosts - LOOPBACK


_REMEDY = "If it should, start it with --allow-host and this name."


def _same_host(scope: Scope, headers: Headers) -> None:
    """Let Host be what the browser's own page says: Streamlit holds a socket against it once more."""
    origin = headers.get("origin")
    if scope["type"] == "websocket" and origin:
        netloc = urlsplit(origin).netloc.encode("latin-1")
        scope["headers"] = [(key, netloc if key == b"host" else value) for key, value in scope["headers"]]


async def _refuse(scope: Scope, receive: Any, send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":  # not accepted yet: the server answers the upgrade with 403
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await PlainTextResponse(reason, status_code=status)(scope, receive, send)


def _with_headers(send: Any, host: str) -> Any:
    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in security_headers(host).items():
                headers[name] = value
        await send(message)

    return guarded


def security_headers(host: str) -> dict[str, str]:
    """What every answer says to the browser. `host`: an own name, as the browser sent it.

    Styles and one script of Streamlit stand inline in its page, and Plotly makes functions from text: the
    policy allows both, from nobody else.
    """
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' data: blob:",
        "connect-src": f"'self' ws://{host} wss://{host} blob: data:",
        "worker-src": "'self' blob:",
        "frame-src": "'self' blob: data:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
