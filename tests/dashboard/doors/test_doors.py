"""Every way to the server from a foreign name or a foreign page is refused: page, socket and upload."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.settings import Settings
from db.store import Store
from tests.support.browser import answer, tab
from tests.support.server import forked

FOREIGN = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "",
    "[::1",
    "a b",
]
OTHER_PAGES = [
    "https://evil.example",
    "http://localhost:1",
    "http://127.0.0.1:1",
    "null",
    "file://",
    "localhost",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers to dualens.test, too."""
    home = tmp_path_factory.mktemp("doors") / "home"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")
    with Store.open(settings):
        pass
    names = [f"--allow-host={name}" for name in ("localhost", "127.0.0.1", "::1", "dualens.test")]
    with forked(settings, *names) as url:
        yield url


def port(url: str) -> str:
    return url.rsplit(":", 1)[1]


def upgrade(url: str, host: str, origin: str | None = None) -> int:
    """The status of a websocket's upgrade."""
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    lines += [f"Origin: {origin}"] if origin else []
    with socket.create_connection(("127.0.0.1", int(port(url))), 30) as plain:
        plain.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(plain.recv(64).split()[1])


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_reaches_no_page_no_socket_and_no_upload(server: str, host: str) -> None:
    host = host.format(port=port(server))
    for path in ("/", "/library", "/_stcore/health", "/static/js/x.js", "/_stcore/host-config"):
        assert answer(server + path, Host=host)[0] in (400, 403)
    upload = f"{server}/_stcore/upload_file/session/file"
    for method in ("PUT", "OPTIONS", "DELETE"):
        assert answer(upload, method, Host=host)[0] in (400, 403)
    assert upgrade(server, host) in (400, 403)
    assert upgrade(server, host, f"http://{host}") in (400, 403)


@pytest.mark.parametrize("origin", OTHER_PAGES)
def test_a_page_of_another_site_reaches_no_socket_and_no_upload(server: str, origin: str) -> None:
    own = f"localhost:{port(server)}"
    assert upgrade(server, own, origin) == 403
    assert answer(f"{server}/_stcore/upload_file/s/f", "PUT", b"x", Host=own, Origin=origin)[0] == 403
    assert answer(f"{server}/_stcore/upload_file/s/f", "OPTIONS", Host=own, Origin=origin)[0] == 403


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost.", "dualens.test"]
)
def test_own_names_are_served(server: str, name: str) -> None:
    host = f"{name}:{port(server)}"
    assert answer(server, Host=host)[0] == 200
    assert upgrade(server, host) == 101
    assert upgrade(server, host, f"http://{host}") == 101
    # Let in, and refused by Streamlit for want of its token only.
    status, _, said = answer(
        f"{server}/_stcore/upload_file/s/f", "PUT", b"x", Host=host, Origin=f"http://{host}"
    )
    assert (status, "XSRF" in said) == (403, True)


def test_a_proxy_may_send_its_own_host_for_a_page_of_an_allowed_name(server: str) -> None:
    own = f"127.0.0.1:{port(server)}"
    assert upgrade(server, own, "https://dualens.test") == 101
    assert upgrade(server, own, "https://dualens.test.evil.example") == 403


def test_two_hosts_are_refused(server: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port(server))), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert plain.recv(64).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/nothing", "/static/x.js"])
def test_every_answer_forbids_frames_and_foreign_scripts(server: str, path: str) -> None:
    _, headers, _ = answer(server + path)
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'self'" in policy
    assert "http:" not in policy.replace("'", "")
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics?families=x", "/_stcore/agent/mcp"])
def test_metrics_and_agents_are_not_served(server: str, path: str) -> None:
    assert answer(server + path)[0] == 404


def test_a_tab_that_closes_leaves_no_traceback(settings: Settings, store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def leave(url: str) -> None:
        for _ in range(3):
            async with tab(url) as browser:
                running = asyncio.create_task(browser.run())
                await browser.until(lambda it: it.sent > 3)
                browser._socket.transport.abort()
                running.cancel()
        async with tab(url) as browser:
            await browser.run()
            assert "Dualens" in browser.text()

    with forked(settings, log=log) as url:
        asyncio.run(leave(url))
    assert "Traceback" not in log.read_text()
