"""Where people sign in, nobody else sees a page, uploads a file or keeps a forged cookie."""

import asyncio
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from db.settings import Settings
from db.store import Store
from tests.support import shop
from tests.support.browser import Browser, answer, tab
from tests.support.server import forked

pytest.importorskip("authlib", reason="the extra sign-in is not installed")
from tests.support.provider import Provider, provider

FILE = """
allow = ["ann@example.org", "@lab.example"]
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "dualens"
client_secret = "secret"
server_metadata_url = "{url}/.well-known/openid-configuration"
"""


class Person:
    """Somebody with a browser: the cookies it keeps, and the page it sees."""

    def __init__(self, url: str) -> None:
        self.url, self.jar = url, CookieJar()
        self._open = build_opener(HTTPCookieProcessor(self.jar), ProxyHandler({})).open

    def get(self, path: str) -> str:
        with self._open(self.url + path, timeout=60) as found:
            return found.read().decode()

    def cookie(self, name: str) -> str:
        return next((str(each.value) for each in self.jar if each.name == name), "")

    @property
    def cookies(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self.jar)

    def sees(self, cookies: str | None = None) -> tuple[str, list[str]]:
        """Text and buttons of the first page."""

        async def look() -> tuple[str, list[str]]:
            sent = self.cookies if cookies is None else cookies
            async with tab(self.url, sent, self.cookie("_streamlit_xsrf")) as browser:
                await browser.run()
                return browser.text(), browser.labels("button")

        return asyncio.run(look())

    def signs_in(self) -> None:
        """Press the button, and follow where the server and the provider send the browser."""

        async def press() -> str:
            async with tab(self.url, self.cookies, self.cookie("_streamlit_xsrf")) as browser:
                await browser.run()
                await browser.click("Sign in")
                await browser.until(lambda it: it.redirect is not None)
                return str(browser.redirect)

        self.get(asyncio.run(press()))

    def uploads(self) -> tuple[int, str]:
        """Status and answer of an upload into a session of one's own."""

        async def put() -> tuple[int, str]:
            async with tab(self.url, self.cookies, self.cookie("_streamlit_xsrf")) as browser:
                await browser.run()
                return await asyncio.to_thread(self._put, browser)

        return asyncio.run(put())

    def _put(self, browser: Browser) -> tuple[int, str]:
        place = f"{self.url}/_stcore/upload_file/{browser.session}/one"
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.csv"\r\n\r\na\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": self.cookies}
        token = self.cookie("_streamlit_xsrf")
        status, _, said = answer(place, "PUT", body, Origin=self.url, **headers, **{"X-Xsrftoken": token})
        return status, said


def test_only_those_who_may_come_in_do(settings: Settings, store: Store, tmp_path: Path) -> None:
    shop.stock(store)
    with provider() as known:
        file = tmp_path / "sign-in.toml"
        file.write_text(FILE.format(url=known.url))
        with forked(settings, f"--sign-in={file}") as url:
            _checked(url, known)


def _checked(url: str, known: Provider) -> None:
    stranger = Person(url)
    stranger.get("/_stcore/health")
    text, buttons = stranger.sees()
    assert buttons == ["Sign in"]
    assert "Mixing desk" not in text
    assert stranger.uploads() == (403, "Sign in before uploading.")

    ann = Person(url)
    ann.get("/_stcore/health")
    ann.signs_in()
    text, buttons = ann.sees()
    assert "Mixing desk" in text
    assert "Sign out" in buttons
    assert ann.uploads()[0] == 204

    known.person = {"email": "eve@evil.example"}
    eve = Person(url)
    eve.get("/_stcore/health")
    eve.signs_in()
    text, buttons = eve.sees()
    assert "may not come in" in text
    assert buttons == ["Sign out"]
    assert eve.uploads()[0] == 403

    forged = eve.cookies.replace(eve.cookie("_streamlit_user"), eve.cookie("_streamlit_user")[:-3] + "abc")
    assert eve.sees(forged)[1] == ["Sign in"]
