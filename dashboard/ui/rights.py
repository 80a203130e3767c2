"""What visitors of this page may do: start work, change what is there, name paths. Checked again where it
happens: a store that is only read takes nothing."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from db.errors import BadInput
from db.settings import Settings

NO_CHANGES = "Nobody deletes or stops anything here: this page is open to everyone."
READS_ONLY = "This dashboard only shows what is stored: it was started with --read-only."


def reads_only() -> bool:
    """Whether the dashboard only shows what is stored: nothing is computed and nothing changes."""
    return Settings().read_only


def may_change() -> bool:
    """Whether visitors may delete, remove and stop."""
    return Settings().changes and not reads_only()


def why_not() -> str:
    """Why visitors may not, where they may not."""
    return READS_ONLY if reads_only() else NO_CHANGES


def work_button(
    label: str,
    *,
    on_click: Callable[..., Any],
    disabled: bool = False,
    help: str | None = None,
    **how: Any,
) -> bool:
    """A button that starts work of the engine; greyed where nothing is computed, which its help says."""
    only = reads_only()
    return st.button(
        label, on_click=on_click, disabled=disabled or only, help=READS_ONLY if only else help, **how
    )


def changing(callback: Callable[..., None]) -> Callable[..., None]:
    """A callback that changes what is there; raises BadInput where visitors may not."""

    @functools.wraps(callback)
    def allowed(*args: Any, **kwargs: Any) -> None:
        if not may_change():
            way = "" if reads_only() else " Its owner can start it with --allow-changes."
            raise BadInput(f"{why_not()} Nothing was changed.{way}")
        callback(*args, **kwargs)

    return allowed


def change_button(
    label: str,
    *,
    on_click: Callable[..., None],
    disabled: bool = False,
    help: str | None = None,
    why: str | None = None,
    **how: Any,
) -> None:
    """A button that deletes, removes or stops something; greyed where visitors may not, which `why` says."""
    allowed = may_change()
    st.button(
        label,
        on_click=changing(on_click),
        disabled=disabled or not allowed,
        help=help if allowed else READS_ONLY if reads_only() else why or NO_CHANGES,
        **how,
    )


def paths() -> str | None:
    """What a field for a path may be given, to be put after "a path"; None where paths are not read."""
    folders = Settings().folders
    if folders is None:
        return "on this machine"
    return f"under {' or '.join(map(str, folders))}" if folders else None


def addresses() -> bool:
    """Whether visitors may name an address for the server to call: where they may name any path."""
    return Settings().folders is None


def within(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A job's payload that names a path, with the folders it may lead to, for whichever worker takes it."""
    folders = Settings().folders
    return dict(payload) if folders is None else {**payload, "within": [str(folder) for folder in folders]}
