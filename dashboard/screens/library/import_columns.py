"""The columns of an import as detected: why each was taken, what a person must choose, and corrections."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.library.import_report import FIELDS
from dashboard.text.literal import md, plain

NONE = "(none)"
ASKED = {
    "dates": "In which order are day and month?",
    "encoding": "In which encoding is it?",
    "header": "Does line 1 name the columns?",
    "shortened_ids": "What becomes of the shortened ids?",
}
"""What is asked about an option of the import; of other fields, which column is it."""
ANSWERS = {
    ("dates", "month-first"): "Month first",
    ("dates", "day-first"): "Day first",
    ("header", "yes"): "It names the columns",
    ("header", "no"): "It is the first row",
    ("shortened_ids", "keep"): "Keep the rows",
    ("shortened_ids", "drop"): "Drop the rows",
}


def columns_form(state: dict[str, Any], preview: Mapping[str, Any]) -> bool:
    """Questions and corrections; True when the import may start. A correction is previewed at once."""
    questions = {question["field"]: question for question in preview.get("questions", ())}
    for question in questions.values():
        _question(state, question)
    accepted = bool(questions) and _guess_will_do(state, preview, questions)
    with st.expander("Columns", expanded=not questions or accepted):
        if preview.get("evidence"):
            _corrections(state, preview, questions)
        else:
            known = [(FIELDS.get(f, f), column) for f, column in preview["mapping"].items() if column]
            parts = [f"{md(field)}: {md(column)}" for field, column in known]
            st.caption("Columns of this format. " + " · ".join(parts))
    if state.get("mapping"):
        st.button("Back to the detected columns", on_click=state.update, kwargs={"mapping": None})
    return not questions or accepted


def _question(state: dict[str, Any], question: Mapping[str, Any]) -> None:
    """What must be decided: the candidates with their first values, and a choice without a default."""
    field: str = question["field"]
    names = [candidate["name"] for candidate in question["candidates"]]
    asked(question)
    picked = st.selectbox(
        FIELDS.get(field, field),
        [*names, *([NONE] if question["optional"] else [])],
        index=None,
        placeholder="Choose",
        format_func=lambda name: answer(question, name),
        key=f"ask-{state['round']}-{field}",
    )
    if picked is None:
        return
    if question.get("option"):
        state["options"] = {**(state.get("options") or {}), question["option"]: str(picked)}
        st.rerun()
    correct(state, field, None if picked == NONE else str(picked))


def asked(question: Mapping[str, Any]) -> None:
    """The question in words, and its candidates with what speaks for each."""
    field: str = question["field"]
    label = FIELDS.get(field, field).lower()
    ask = ASKED.get(question.get("option", ""), f"Which is the {label}?")
    st.warning(f"**{md(ask)}** {md(_sentence(question['reason']))}")
    rows = [
        (plain(answer(question, c["name"]), 60), _short(", ".join(c["examples"])), _short(c["evidence"]))
        for c in question["candidates"]
    ]
    if any(examples or why for _, examples, why in rows):
        table = pd.DataFrame(rows, columns=["candidate", "first values", "what speaks for it"], dtype="str")
        st.dataframe(table, hide_index=True, height="content", alt=f"Candidates for the {label}")


def _short(text: str) -> str:
    return plain(text, 160) if text else ""


def answer(question: Mapping[str, Any], name: str) -> str:
    """An answer in words: a column or encoding by its name."""
    return ANSWERS.get((question.get("option", ""), name), plain(name))


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."


def _guess_will_do(
    state: dict[str, Any], preview: Mapping[str, Any], questions: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Whether the person leaves it to the best guess, where there is one."""
    guess = {
        field: preview["mapping"].get(field) or _first(question) for field, question in questions.items()
    }
    if not all(guess.values()):
        return False
    said = ", ".join(f"{FIELDS.get(field, field).lower()} = {md(column)}" for field, column in guess.items())
    state["yes"] = st.checkbox(f"Take the best guess: {said}", key=f"yes-{state['round']}")
    return bool(state["yes"])


def _first(question: Mapping[str, Any]) -> str | None:
    told = question["field"] == "file" or question.get("option")
    return question["candidates"][0]["name"] if told else None


def _corrections(
    state: dict[str, Any], preview: Mapping[str, Any], questions: Mapping[str, Mapping[str, Any]]
) -> None:
    """A choice for each field, with what spoke for the column that was taken."""
    st.caption("Correct what was detected wrongly; the preview follows.")
    detected: dict[str, str | None] = preview["mapping"]
    fields = [f for f in (*FIELDS, *detected) if f in detected and f not in questions]
    fields = list(dict.fromkeys(fields))
    for start in range(0, len(fields), 4):
        for cell, field in zip(st.columns(4, gap="small"), fields[start : start + 4], strict=False):
            with cell:
                _correction(state, preview, field)


def _correction(state: dict[str, Any], preview: Mapping[str, Any], field: str) -> None:
    """The column of one field, to be changed, and why it was taken."""
    detected, options = preview["mapping"][field], mapping_options(field, preview)
    picked = st.selectbox(
        FIELDS.get(field, field),
        options,
        index=options.index(detected or NONE),
        format_func=plain,
        # What is detected changes with every correction; the choice follows it.
        key=f"map-{state['round']}-{field}-{detected}",
    )
    if detected and (why := preview["evidence"].get(field)):
        st.caption(md(why))
    if picked != (detected or NONE):
        correct(state, field, None if picked == NONE else picked)


def correct(state: dict[str, Any], field: str, column: str | None) -> None:
    """Take a correction down; a column serves one field, so it leaves another correction that named it."""
    mapping = {f: c for f, c in (state.get("mapping") or {}).items() if c != column or c is None}
    state["mapping"] = {**mapping, field: column}
    st.rerun()


def mapping_options(field: str, preview: Mapping[str, Any]) -> list[str]:
    """What a field of the mapping may name: another of the files, its columns, or those of the first."""
    if field in ("items_file", "file"):
        names = preview.get("beside", [])
    else:
        names = preview["item_columns"] if field.startswith("items_") else preview["columns"]
    chosen = preview["mapping"][field]
    return list(dict.fromkeys([NONE, *names, *([chosen] if chosen else [])]))
