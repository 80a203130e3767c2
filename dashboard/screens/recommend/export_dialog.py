"""Export: the prompt of the shown run as a service sends it, and a policy file."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.state import asking, session
from dashboard.state.waiting import Answer
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import dialogs, help, progress
from dashboard.ui.notices import problem, told
from db import runs
from db.choices import STRATEGIES
from db.requests import RunRequest
from db.runs import Run

NAME = "export"  # of the dialog
WAIT_S = 2.0
ROOM_PX = 470
TEXT_PX = 330
FIXED, EACH = "One set for all", "Chosen for each user"


def opener(run: Run) -> None:
    """The button that opens the dialog."""
    st.button(
        "Export",
        key="export",
        help="The prompt as text, messages or tokens, and a policy file for a service.",
        on_click=dialogs.show,
        args=(NAME, run.key),
    )


def shown() -> None:
    """The dialog, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _dialog(about[0])


@st.dialog("Put it into production", width="large", on_dismiss=dialogs.close)
@told()
def _dialog(key: str) -> None:
    run = runs.get(session.store(), key)
    st.caption(
        help.more(
            "The prompt of this run as a service sends it, and a policy file that writes it for any history.",
            "production",
        )
    )
    payload = {"request": run.request.to_json(), "fixed": _fixed(run.request)}
    answer = asking.once("export_asked", "export", payload, WAIT_S)
    progress.later(answer, "Writing the prompt", ROOM_PX, _drawn)


def _fixed(request: RunRequest) -> bool:
    """Whether all users get the demonstrations of this run."""
    if not _chooses(request):
        return True
    picked = st.segmented_control(
        "Demonstrations", [EACH, FIXED], default=EACH, required=True, key="export-fixed"
    )
    return picked == FIXED


def _chooses(request: RunRequest) -> bool:
    """Whether the request's strategy can choose for each user."""
    if request.demos == "none" or any(
        given is not None for given in (request.demonstrations, request.weights, request.keep)
    ):
        return False
    strategy = STRATEGIES.get(request.demos.partition(":")[0])
    return strategy is not None and not strategy.optimized


def _drawn(answer: Answer) -> None:
    if answer.result is None:
        problem(answer.error or "")
        return
    result = answer.result
    if result["why"]:
        problem(f"There is no policy for this run. {result['why']}")
        return
    for note in result["notes"]:
        st.caption(f":orange[Note:] {md(note)}")
    policy, text, messages, tokens = st.tabs(
        ["Policy file", "Text", "Messages", "Tokens"], key=dialogs.key("export-tab"), on_change="rerun"
    )
    prompts = result["prompts"]
    if policy.open:
        with policy:
            _policy(result)
    for tab, draw in ((text, _text), (messages, _messages), (tokens, _tokens)):
        if tab.open:
            with tab:
                draw(prompts[0])
                if len(prompts) > 1:
                    st.caption(
                        f"The scoring reads {plural(len(prompts), 'prompt')}; this is the first. The file of "
                        "tokens holds all."
                    )
                if draw is _tokens:
                    _download("Download all as JSON", json.dumps(prompts, indent=1), "prompt.json")


def _policy(result: Mapping[str, Any]) -> None:
    """The file, and Python that reads it."""
    st.caption(
        "Template, demonstrations or strategy, and how the model's prompts are written. A fixed set needs "
        "neither this store nor the model."
        if result["strategy"] == "fixed"
        else f"{md(result['strategy'])} reads this workspace's data set for each user; a fixed set needs "
        "nothing but the file."
    )
    st.code(result["snippet"], language="python")
    _download("Download policy.json", result["policy"], "policy.json", first=True)
    st.code(result["policy"], language="json", height=TEXT_PX - 90)


def _text(prompt: Mapping[str, Any]) -> None:
    st.caption("All that the model reads, the marks of its chat template included.")
    st.code(prompt["text"], language=None, height=TEXT_PX)
    _download("Download prompt.txt", prompt["text"], "prompt.txt")


def _messages(prompt: Mapping[str, Any]) -> None:
    begins = prompt["answer_begins"]
    st.caption(
        "The same for a chat interface, which adds the marks."
        + (f" The answer begins with {md(json.dumps(begins))}." if begins else "")
    )
    text = json.dumps(prompt["messages"], indent=1, ensure_ascii=False)
    st.code(text, language="json", height=TEXT_PX)
    _download("Download messages.json", text, "messages.json")


def _tokens(prompt: Mapping[str, Any]) -> None:
    if "tokens" not in prompt:
        st.caption("The model is behind an endpoint, and its server has the tokenizer.")
        return
    tokens = prompt["tokens"]
    st.caption(f"{plural(len(tokens['ids']), 'token')}. The parts together are exactly what the model reads.")
    rows = [
        {
            "part": span["part"] + (f" {span['index'] + 1}" if span["part"] == "demonstration" else ""),
            "from": span["start"],
            "to": span["stop"],
            "tokens": span["stop"] - span["start"],
        }
        for span in tokens["spans"]
    ]
    st.dataframe(rows, hide_index=True, height=TEXT_PX - 60, alt="Parts of the prompt and their tokens")


def _download(label: str, text: str, name: str, *, first: bool = False) -> None:
    st.download_button(
        label,
        text.encode("utf-8", "replace"),
        file_name=name,
        key=f"export-{name}",
        type="primary" if first else "secondary",
        on_click="ignore",
    )
