"""A browser as the page's server sees one: cookies, one socket, widgets by label. No Chromium, no pictures.

Speaks Streamlit's protocol: protobuf messages over a websocket. Keeps of each element the newest state.
"""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

RUN_S = 600.0  # twenty people on a busy machine

Path = tuple[int, ...]


class Browser:
    """One tab. `sent`: messages that came; `whole`: runs of the whole page; `elements`: what is drawn, by its
    place."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.elements: dict[Path, Any] = {}
        self.sent = self.bytes = self.whole = 0
        self.finished = asyncio.Event()
        self.runs = 0
        self.session = ""
        self.redirect: str | None = None
        self.page = ""
        self.query = self.address = ""
        self._fragments: dict[str, str] = {}  # of a widget, by its id
        self._places: dict[Path, str] = {}
        self._values: dict[str, Any] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for data in self._socket:
            message = ForwardMsg()
            message.ParseFromString(data)
            self.sent += 1
            self.bytes += len(data)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id or self.session
                self.page = message.new_session.page_script_hash or self.page
                self._begin(list(message.metadata.run.fragment_ids))
            elif kind == "auto_rerun":
                self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            elif kind == "delta":
                self._draw(message)
            elif kind == "auth_redirect":
                self.redirect = message.auth_redirect.url
            elif kind == "page_info_changed":
                self.query = self.address = message.page_info_changed.query_string
            elif kind == "script_finished":
                self.runs += 1
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    self.finished.set()

    def _begin(self, fragments: list[str]) -> None:
        """A run begins: what it draws replaces what was there."""
        if not fragments:
            self.whole += 1
            self._stop_timers()
        for place in list(self.elements):
            if not fragments or self._places.get(place) in fragments:
                del self.elements[place]

    def _repeat(self, fragment: str, seconds: float) -> None:
        """Ask for a fragment every so often, as a browser does when told to."""

        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self._ask(BackMsg(), fragment, auto=True)

        if fragment in self._timers:
            self._timers.pop(fragment).cancel()
        self._timers[fragment] = asyncio.create_task(repeat())

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _draw(self, message: Any) -> None:
        place = tuple(message.metadata.delta_path)
        if message.delta.HasField("add_block"):
            for inside in [each for each in self.elements if each[: len(place)] == place]:
                del self.elements[inside]
        else:
            self.elements[place] = message.delta.new_element
            self._places[place] = message.delta.fragment_id
            self._fragments[self._id(message.delta.new_element)] = message.delta.fragment_id

    @staticmethod
    def _id(element: Any) -> str:
        return str(getattr(getattr(element, element.WhichOneof("type") or "", None), "id", ""))

    def widget(self, kind: str, label: str) -> Any:
        """The newest widget of this kind (`button`, `slider`) whose label starts so. Raises LookupError."""
        for element in self.elements.values():
            if element.WhichOneof("type") == kind and getattr(element, kind).label.startswith(label):
                return getattr(element, kind)
        raise LookupError(f"no {kind} {label!r} among {self.labels(kind)}")

    def labels(self, kind: str) -> list[str]:
        """Labels of all widgets of a kind."""
        return [
            getattr(element, kind).label
            for element in self.elements.values()
            if element.WhichOneof("type") == kind
        ]

    def text(self) -> str:
        """All that is drawn as text."""
        kinds = ("markdown", "heading", "alert", "text", "html", "progress")
        parts = []
        for element in self.elements.values():
            kind = element.WhichOneof("type")
            if kind in kinds:
                drawn = getattr(element, kind)
                parts.append(str(getattr(drawn, "body", "") or getattr(drawn, "text", "")))
        return "\n".join(parts)

    async def run(self, query: str = "", page: str = "", widget: Any = None, **value: Any) -> None:
        """Ask for a run of the script, with one widget's new value, and wait until it is over."""
        self.finished.clear()
        message = BackMsg()
        if page:
            message.rerun_script.page_name = page
        if widget is not None and "trigger_value" not in value:
            self._values[widget.id] = value
        fragment = "" if widget is None else self._fragments.get(widget.id, "")
        triggered = {widget.id: value} if widget is not None else {}
        self.query = self.address = query or self.query
        await self._ask(message, fragment, triggered)
        await asyncio.wait_for(self.finished.wait(), RUN_S)

    async def _ask(
        self, message: BackMsg, fragment: str, triggered: dict[str, Any] | None = None, *, auto: bool = False
    ) -> None:
        asked = message.rerun_script
        asked.query_string, asked.fragment_id, asked.is_auto_rerun = self.query, fragment, auto
        if not asked.page_name:
            asked.page_script_hash = self.page
        for name, given in {**self._values, **(triggered or {})}.items():
            state = asked.widget_states.widgets.add()
            state.id = name
            for field, content in given.items():
                if field == "double_array_value":
                    state.double_array_value.data.extend(content)
                else:
                    setattr(state, field, content)
        await self._socket.send(message.SerializeToString())

    async def click(self, label: str) -> None:
        """Press a button."""
        await self.run(widget=self.widget("button", label), trigger_value=True)

    async def until(self, seen: Callable[["Browser"], bool], seconds: float = 180.0) -> None:
        """Wait until something is drawn. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not seen(self):
            if self.reading.done():
                self.reading.result()
            if time.monotonic() > deadline:
                raise TimeoutError(self.text()[-2000:])
            await asyncio.sleep(0.02)


@asynccontextmanager
async def tab(url: str, cookies: str = "", xsrf: str = "", **headers: str) -> AsyncIterator[Browser]:
    """Open the socket of a page's server, as a browser whose page came from `url`."""
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    offered = [websockets.Subprotocol(each) for each in ("streamlit", xsrf or "PLACEHOLDER_AUTH_TOKEN")]
    sent = {"Origin": url, **({"Cookie": cookies} if cookies else {}), **headers}
    async with websockets.connect(
        address, subprotocols=offered, additional_headers=sent, max_size=None, open_timeout=180
    ) as socket:
        browser = Browser(socket)
        try:
            yield browser
        finally:
            browser.reading.cancel()
            browser._stop_timers()


def answer(
    url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers (lower case) and text of one request; redirects are not followed."""
    asked = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with _OPENER.open(asked, timeout=30) as found:
            return found.status, {k.lower(): v for k, v in found.headers.items()}, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
