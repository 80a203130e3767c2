"""What visitors of this page may do: change what is there, and name paths. Checked again where it happens."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from db.errors import BadInput
from db.settings import Settings

NO_CHANGES = "Nobody deletes or stops anything here: this page is open to everyone."


def may_change() -> bool:
    """Whether visitors may delete, remove and stop."""
    return Settings().changes


def changing(callback: Callable[..., None]) -> Callable[..., None]:
    """A callback that changes what is there; raises BadInput where visitors may not."""

    @functools.wraps(callback)
    def allowed(*args: Any, **kwargs: Any) -> None:
        if not may_change():
            raise BadInput(f"{NO_CHANGES} Nothing was changed. Its owner can start it with --allow-changes.")
        callback(*args, **kwargs)

    return allowed


def change_button(
    label: str,
    *,
    on_click: Callable[..., None],
    disabled: bool = False,
    help: str | None = None,
    why: str = NO_CHANGES,
    **how: Any,
) -> None:
    """A button that deletes, removes or stops something; greyed where visitors may not, which `why` says."""
    allowed = may_change()
    st.button(
        label,
        on_click=changing(on_click),
        disabled=disabled or not allowed,
        help=help if allowed else why,
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
