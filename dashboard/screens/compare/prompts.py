"""The prompts of two runs, and their demonstrations, word by word; read when they are wanted."""

import streamlit as st

from dashboard.screens.compare import word_diff
from dashboard.state import session
from dashboard.ui.notices import heading, problem
from db import texts
from db.errors import NotFound
from db.runs import Run

SHOW = "Show how the prompts differ"


def draw(a: Run, other: Run, name: str) -> None:
    """The two prompts as one text, on demand."""
    heading(
        "Prompts, word by word",
        f"The texts that the model read. Struck through: only in A. Underlined: only in {name}.",
    )
    hashes = [run.result.get("prompt", {}).get("hash") for run in (a, other)]
    if None in hashes:
        st.caption("One of the runs kept no prompt.")
    elif hashes[0] == hashes[1]:
        st.caption("Both prompts are the same, to the letter.")
    elif st.toggle(SHOW, key=f"prompt-words-{a.key[:12]}-{other.key[:12]}"):
        try:
            before, after = (texts.get(session.store(), key) for key in hashes)
        except NotFound as error:
            problem(str(error))
            return
        st.html(word_diff.html(before, after, "The prompts, word by word"))
        _demonstrations(a, other)


def _demonstrations(a: Run, other: Run) -> None:
    """Those in the same place of both prompts, where they differ."""
    pairs = zip(a.result["demonstrations"], other.result["demonstrations"], strict=False)
    differ = [
        f"<p>Demonstration {at}</p>{word_diff.html(one['text'], two['text'], f'Demonstration {at}')}"
        for at, (one, two) in enumerate(pairs, start=1)
        if one["text"] != two["text"]
    ]
    if differ:
        with st.expander("Demonstrations, one by one"):
            st.html("".join(differ))
