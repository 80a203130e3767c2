"""Who may come in where people sign in (OpenID Connect, by Streamlit): the file, and the check of a person.

The file is Streamlit's `secrets.toml` with its `[auth]` table, and `allow`: addresses, or @domains, of those
who may come in. Everything is checked before the server starts.
"""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from db.errors import BadInput
from db.paths import typed

NEEDED = ("redirect_uri", "cookie_secret")
OF_A_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
CALLBACK = "/oauth2callback"
SECRET_LETTERS = 32


def read(path: Path) -> dict[str, Any]:
    """The file, checked. Raises BadInput that names what is missing."""
    if find_spec("authlib") is None:
        raise BadInput(
            "--sign-in needs a package that is not installed: pip install 'dualens[sign-in]' (in a checkout: "
            "'.[sign-in]'). Nothing was started."
        )
    found: dict[str, Any] = {}
    try:
        found = tomllib.loads(typed(path).read_text(encoding="utf-8"))
        lacks = _lacks(found)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        lacks = "the file cannot be read as TOML."
    if lacks:
        raise BadInput(
            f"--sign-in {path}: {lacks} Nothing was started. The documentation's page 'Several people' shows "
            "a whole file."
        )
    return found


def _lacks(found: Mapping[str, Any]) -> str | None:
    """What is missing in the content of a file, in a sentence."""
    auth = found.get("auth")
    if not isinstance(auth, dict):
        return "it has no [auth] table."
    providers = [value for value in auth.values() if isinstance(value, dict)] or [auth]
    needed = [(auth, name) for name in NEEDED]
    needed += [(each, name) for each in providers for name in OF_A_PROVIDER]
    for table, name in needed:
        if not isinstance(table.get(name), str):
            return f"[auth] needs {name}."
    if not auth["redirect_uri"].endswith(CALLBACK):
        return f"redirect_uri must end in {CALLBACK}."
    if len(auth["cookie_secret"]) < SECRET_LETTERS:
        return f"cookie_secret must have {SECRET_LETTERS} letters or more, drawn at random."
    allow = found.get("allow")
    sound = isinstance(allow, list) and all(isinstance(each, str) and "@" in each for each in allow)
    if not sound or not allow:
        return 'allow must list who may come in: addresses, or domains such as "@example.org".'
    return None


def host(found: Mapping[str, Any]) -> str | None:
    """The name of the server that the provider sends people back to."""
    return urlsplit(found["auth"]["redirect_uri"]).hostname


def provider(found: Mapping[str, Any]) -> str | None:
    """The one provider of the file that has a name; None where it has none, or several."""
    names = [name for name, value in found["auth"].items() if isinstance(value, dict)]
    return names[0] if len(names) == 1 else None


def may_come_in(person: Mapping[str, Any], allow: Sequence[str]) -> bool:
    """Whether a person who signed in may come in. An address that the provider doubts is nobody's."""
    address = person.get("email")
    sure = person.get("is_logged_in") and person.get("email_verified") is not False
    if not sure or not isinstance(address, str):
        return False
    address = address.lower()
    return any(
        address.endswith(each.lower()) if each.startswith("@") else address == each.lower() for each in allow
    )
