"""Cards, headings and messages, the same on every page. Text from outside is always shown literally."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from dashboard.text.literal import md
from dashboard.ui import help, rights
from dashboard.ui.theme import Palette, palette
from db.errors import DualensError, StoreAway

LIBRARY = ("screens/library/page.py", "Open the Library")
RECOMMEND = ("screens/recommend/page.py", "Open Recommend")
AGAIN_S = 3.0  # a page whose store is away is drawn again
HEAD_PX = 30  # of a card's title row, which may hold a small button


def colours() -> Palette:
    """The palette of the theme this browser shows."""
    return palette(st.context.theme.type)


def card(key: str, *, stretch: bool = True) -> Any:
    """A bordered container that fills the height of its row."""
    return st.container(
        border=True, key=f"card-{key}", height="stretch" if stretch else "content", gap="xsmall"
    )


def heading(title: str, about: str) -> None:
    """A section's title and the one muted sentence that says what is shown and how to read it."""
    st.subheader(title, anchor=False)
    st.caption(about)


def empty(text: str, what_to_do: str, height: int | None = None, way: tuple[str, str] | None = None) -> None:
    """Nothing to show yet: why, and what to do about it, in the space the thing will take.

    `way`: the page where that is done, as its file and the words of a link to it.
    """
    box = st.container(
        height=height or "content",
        border=False,
        vertical_alignment="center",
        horizontal_alignment="center",
        key=None,
    )
    with box:
        st.markdown(f"**{text}**", text_alignment="center")
        st.caption(what_to_do, text_alignment="center")
        if way is not None and not rights.reads_only():
            with st.container(key="empty-way", width="content"):
                st.page_link(way[0], label=way[1], width="content")


def looks(page: str) -> None:
    """What a page that is empty will look like: its picture in the documentation, in this theme."""
    theme = st.context.theme.type or "light"
    name = f"{page}-{theme}.webp"
    if (help.FOLDER / "img" / name).is_file():
        picture = help.FOLDER / "img" / name
        with st.container(key="looks", gap="xxsmall"):
            st.caption("What stands here then, as an example:", text_alignment="center")
            st.image(picture, alt=f"The page {page}")


def problem(text: str) -> None:
    """An error a person can act on, as plain text."""
    st.error(md(text))


@contextmanager
def told() -> Iterator[None]:
    """Show an error raised inside as a message with what can be done; also a decorator of fragments, dialogs.

    Without it Streamlit shows a traceback. Errors of callbacks are shown by `dashboard.ui.callbacks`.
    """
    try:
        yield
    except StoreAway as error:
        st.warning(md(str(error)))
        st.caption(
            "This page is drawn again as soon as the store can be used. Work of the engine waits as well."
        )
        st.fragment(told()(_draw_again), run_every=AGAIN_S)(time.monotonic())
    except Exception as error:
        problem(explain(error))
        st.caption("Reload the page to try again, or open another page from the navigation.")


def _draw_again(since: float) -> None:
    """Draw the page again, once some time has passed since it was drawn."""
    if time.monotonic() - since > AGAIN_S / 2:
        st.rerun()


def explain(error: Exception) -> str:
    """What to tell a person about this error; one that is not of ours is also logged with its traceback."""
    if isinstance(error, DualensError):
        return str(error)
    logging.getLogger("dualens.dashboard").error("a page failed", exc_info=error)
    return (
        f"This page met an unexpected error ({type(error).__name__}: {error}). The store was not changed. "
        "The terminal of the dashboard has the details."
    )
