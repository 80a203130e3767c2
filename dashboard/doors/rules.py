"""What the options of the command mean for everyone who reaches the page. No Streamlit, no store.

The address decides. On loopback, with foreign names refused, whoever reaches the page is at this machine: a
path stays free. As soon as others can reach it (another address, a name given by `--allow-host`, sign-in),
paths are read only under folders named at the start; without sign-in, `--insecure` has to say that this is
meant.
"""

import ipaddress
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from db.errors import BadInput
from db.paths import typed

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::"})
UPLOAD_MB = 4096
SIGN_IN_HELP = (
    "Let people sign in with --sign-in FILE, or add --insecure if everyone who reaches it may do all that. "
    "For yourself alone, leave --host out and reach it through ssh -L."
)


@dataclass(frozen=True)
class Doors:
    """How the page is served.

    `hosts`: names it answers to, lower case. `folders`: where jobs of its pages may read paths; None:
    anywhere. `changes`: whether visitors may delete and stop things. `sign_in`: the file that says who may
    sign in; None: nobody has to.
    """

    address: str
    hosts: frozenset[str]
    folders: tuple[Path, ...] | None
    changes: bool
    sign_in: Path | None
    insecure: bool


def decide(
    address: str,
    allow_hosts: Sequence[str] = (),
    data_folders: Sequence[Path] = (),
    sign_in: Path | None = None,
    *,
    insecure: bool = False,
    allow_changes: bool = False,
) -> Doors:
    """The doors that these options open. Raises BadInput where they would let in everyone unsaid."""
    local = is_loopback(address)
    if not local and sign_in is None and not insecure:
        raise BadInput(
            f"On {address}, everyone on the network could use Dualens with the rights of this account. "
            f"Nothing was started. {SIGN_IN_HELP}"
        )
    names = [_name(name) for name in allow_hosts]
    own = LOOPBACK | ({address.lower()} if address not in WILDCARDS else _own_names())
    only_here = local and not names and sign_in is None
    folders = None if only_here and not data_folders else tuple(_folder(path) for path in data_folders)
    changes = allow_changes or sign_in is not None or (local and not insecure)
    return Doors(address, own.union(names), folders, changes, sign_in, insecure and sign_in is None)


def environment(doors: Doors) -> dict[str, str]:
    """What the page and its worker read of it, as `db.settings`."""
    found = {} if doors.changes else {"DUALENS_CHANGES": "false"}
    if doors.folders is not None:
        found["DUALENS_FOLDERS"] = json.dumps([str(folder) for folder in doors.folders])
    return found


def warning(doors: Doors) -> str | None:
    """What everyone who reaches an insecure page can do, in one sentence; None for other pages."""
    if not doors.insecure:
        return None
    read = f"read files under {', '.join(map(str, doors.folders))}, " if doors.folders else ""
    changes = ", delete data and models and stop anybody's work" if doors.changes else ""
    return (
        f"Everyone who reaches this page can see all data, models and runs, upload and import files, {read}"
        f"register models and start any work on this machine{changes}."
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address or name. Raises BadInput where it is none."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(address, None)}
    except OSError as error:
        raise BadInput(f"--host {address}: {error.strerror or error}. Nothing was started.") from error
    return all(ipaddress.ip_address(str(each).partition("%")[0]).is_loopback for each in found)


def url(address: str, port: int) -> str:
    """Where a browser of this machine finds the page."""
    name = "localhost" if address in WILDCARDS else f"[{address}]" if ":" in address else address
    return f"http://{name}:{port}"


def host_name(host: str) -> str | None:
    """The name in a Host header, or in what follows :// of an Origin, without port; None: unreadable."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":") if bracket and port[:1] in ("", ":") else "?"
    else:
        name, _, port = host.partition(":")
    sound = bool(name) and not set(name) & set("/@?#\\ ") and (not port or port.isdecimal())
    return name.lower().rstrip(".") if sound else None


def _name(given: str) -> str:
    name = host_name(given) or host_name(f"[{given}]")
    if name is None or "*" in given:
        raise BadInput(f"--allow-host {given!r} is no name of a machine, such as dualens.example.org.")
    return name


def _folder(path: Path) -> Path:
    folder = Path(os.path.realpath(typed(path)))
    if not folder.is_dir():
        raise BadInput(f"--data-folder {path}: there is no such folder. Nothing was started.")
    return folder


def _own_names() -> frozenset[str]:
    """What this machine calls itself, and the addresses it can be reached at."""
    numbers = {
        each.address.partition("%")[0].lower()
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    }
    return frozenset({socket.gethostname().lower(), *numbers})
