"""What the options of the command open, and what they refuse."""

from pathlib import Path

import pytest

from dashboard.doors import rules, sign_in
from db.errors import BadInput
from db.settings import Settings

FILE = """
allow = ["ann@example.org", "@lab.example"]
[auth]
redirect_uri = "https://dualens.example/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "dualens"
client_secret = "secret"
server_metadata_url = "https://sso.example/.well-known/openid-configuration"
"""


def test_on_this_machine_a_path_stays_free() -> None:
    doors = rules.decide("127.0.0.1")
    assert doors.hosts == {"localhost", "127.0.0.1", "::1"}
    assert doors.folders is None
    assert doors.changes
    assert rules.warning(doors) is None
    assert rules.environment(doors) == {}


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7"])
def test_another_address_needs_sign_in_or_consent(address: str) -> None:
    with pytest.raises(BadInput, match="--sign-in FILE, or add --insecure"):
        rules.decide(address)


def test_consent_lets_nobody_read_paths_or_change_anything(tmp_path: Path) -> None:
    doors = rules.decide("0.0.0.0", insecure=True)
    assert doors.folders == ()
    assert not doors.changes
    assert "0.0.0.0" not in doors.hosts
    said = rules.warning(doors) or ""
    assert said.startswith("Everyone who reaches this page can")
    assert said.count(".") == 1
    assert "delete" not in said
    open_wide = rules.decide("0.0.0.0", (), [tmp_path], insecure=True, allow_changes=True)
    assert open_wide.folders == (tmp_path,)
    assert open_wide.changes
    assert "delete" in (rules.warning(open_wide) or "")
    assert str(tmp_path) in (rules.warning(open_wide) or "")


@pytest.mark.parametrize("more", [{"allow_hosts": ["dualens.example"]}, {"sign_in": Path("file")}])
def test_a_page_that_others_reach_by_a_proxy_reads_no_paths(more: dict) -> None:
    assert rules.decide("127.0.0.1", **more).folders == ()


def test_the_page_and_the_worker_read_the_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    doors = rules.decide("::", (), [tmp_path / "link"], insecure=True)
    for name, value in rules.environment(doors).items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert read.folders == (tmp_path / "real",)
    assert not read.changes


def test_a_folder_that_is_not_there_and_a_name_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data-folder"):
        rules.decide("127.0.0.1", (), [tmp_path / "nothing"])
    for name in ("*", "*.example.org", "a/b", "", "http://a"):
        with pytest.raises(BadInput, match="--allow-host"):
            rules.decide("127.0.0.1", [name])


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Localhost:80", "localhost"),
        ("a.example.", "a.example"),
        ("[::1]:80", "::1"),
        ("[::1", None),
        ("[::1]x", None),
        ("::1", None),
        ("a:b", None),
        ("a@b", None),
        ("a/b", None),
        ("", None),
    ],
)
def test_names_of_host_headers(host: str, name: str | None) -> None:
    assert rules.host_name(host) == name


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(FILE)
    found = sign_in.read(tmp_path / "file")
    assert sign_in.host(found) == "dualens.example"
    assert sign_in.provider(found) is None


@pytest.mark.parametrize(
    ("part", "instead", "said"),
    [
        ("[auth]", "[other]", r"no \[auth\]"),
        ('client_id = "dualens"', "", "client_id"),
        ("/oauth2callback", "/", "redirect_uri must end"),
        ("0123456789abcdef0123456789abcdef", "short", "cookie_secret"),
        ('allow = ["ann@example.org", "@lab.example"]', "", "allow must list"),
        ('"@lab.example"', '"lab"', "allow must list"),
        ("[auth]", "[auth", "cannot be read as TOML"),
    ],
)
def test_a_file_that_lacks_something_is_refused_by_name(
    tmp_path: Path, part: str, instead: str, said: str
) -> None:
    (tmp_path / "file").write_text(FILE.replace(part, instead))
    with pytest.raises(BadInput, match=said):
        sign_in.read(tmp_path / "file")


@pytest.mark.parametrize(
    ("person", "comes_in"),
    [
        ({"is_logged_in": True, "email": "Ann@example.org"}, True),
        ({"is_logged_in": True, "email": "bob@lab.example"}, True),
        ({"is_logged_in": True, "email": "ann@example.org", "email_verified": False}, False),
        ({"is_logged_in": True, "email": "bob@evil-lab.example"}, False),
        ({"is_logged_in": True, "email": "bob@lab.example.evil.example"}, False),
        ({"is_logged_in": False, "email": "ann@example.org"}, False),
        ({"is_logged_in": True}, False),
        ({}, False),
    ],
)
def test_who_may_come_in(person: dict, comes_in: bool) -> None:
    assert sign_in.may_come_in(person, ["ann@example.org", "@lab.example"]) is comes_in
