"""How the prompts of two runs are written: their templates side by side, and where demonstrations stand.

The texts of templates that come with the program are the engine's, and are asked of it when they are wanted.
"""

import difflib
from collections.abc import Iterator
from typing import NamedTuple

import streamlit as st

from dashboard.state import asking, session
from dashboard.text import values
from dashboard.text.literal import block, md
from dashboard.ui import progress, rights
from dashboard.ui.notices import heading, problem
from db import templates
from db.choices import TEMPLATES
from db.requests import RunRequest
from db.requests.fields import field_of
from db.runs import Run

CONTEXT = 3  # lines that are the same, shown around those that differ
WAIT_S = 2.0
ROOM_PX = 300
SHOW = "Show how the texts differ"


class Row(NamedTuple):
    """A line of A beside one of B; None where a side has none there. Both are None in a gap: lines between
    that are the same."""

    a: str | None
    b: str | None

    @property
    def same(self) -> bool:
        """Whether both sides have this line, or leave the same out."""
        return self.a == self.b


def draw(a: Run, b: Run, name: str = "B") -> None:
    """What is written otherwise in another run than A, and on demand the texts."""
    heading("Prompt templates", "How the words around the items differ between the two runs.")
    st.markdown(turns(a.request, b.request, name))
    names = a.request.template, b.request.template
    if names[0] == names[1]:
        st.caption("Both runs used the same template.")
    elif rights.reads_only() and any(name in TEMPLATES for name in names):
        st.caption(f"{rights.READS_ONLY} The engine, which knows the texts, is not running.")
    elif st.toggle(SHOW, key=f"template-texts-{names[0]}-{names[1]}"):
        _texts(*names)


def wanted(a: Run, b: Run) -> bool:
    """Whether the prompts of the two runs are written otherwise."""
    return _written(a.request) != _written(b.request)


def _written(request: RunRequest) -> tuple[str, str]:
    return request.template, request.turns


def turns(a: RunRequest, b: RunRequest, name: str = "B") -> str:
    """Template and turns of each run, in a sentence each. Markdown."""
    template, stand = (field_of(RunRequest, name) for name in ("template", "turns"))
    said = [
        f"**{side}**: {md(values.shown(template, request.template), 60)}, demonstrations in "
        f"{md(values.shown(stand, request.turns))}."
        for side, request in (("A", a), (name, b))
    ]
    return "  \n".join(said)


def _texts(*names: str) -> None:
    """The two texts side by side, as soon as both are there."""
    answers = {
        name: asking.once(f"compared-{side}", "template", {"template": name}, WAIT_S)
        for side, name in zip("ab", names, strict=True)
        if name in TEMPLATES
    }
    for answer in answers.values():
        if answer.pending:
            progress.later(answer, "Reading the templates", ROOM_PX, lambda _: st.rerun())
            return
        if answer.result is None:
            problem(answer.error or "")
            return
    told = {name: answer.result["text"] for name, answer in answers.items() if answer.result is not None}
    own = {name: templates.get(session.store(), name).text for name in names if name not in told}
    st.html(table(*({**told, **own}[name] for name in names)))


def rows(a: str, b: str) -> list[Row]:
    """The lines of both texts that differ, beside each other, with some of those around them."""
    left, right = a.splitlines(), b.splitlines()
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    found: list[Row] = []
    end = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        found += [Row(None, None)] if group[0][1] > end else []
        for _, start_a, stop_a, start_b, stop_b in group:
            found += _beside(left[start_a:stop_a], right[start_b:stop_b])
        end = group[-1][2]
    return [*found, *([Row(None, None)] if found and end < len(left) else [])]


def _beside(a: list[str], b: list[str]) -> Iterator[Row]:
    for n in range(max(len(a), len(b))):
        yield Row(a[n] if n < len(a) else None, b[n] if n < len(b) else None)


def table(a: str, b: str) -> str:
    """Both texts as HTML; what only one has is marked by a sign and a colour."""
    found = rows(a, b)
    if not found:
        return "<p>Both texts have the same lines.</p>"
    lines = "".join(
        f"<tr>{_cell(row, row.a, 'del', '−')}{_cell(row, row.b, 'ins', '+')}</tr>" for row in found
    )
    head = '<thead><tr><th scope="col">A</th><th scope="col">B</th></tr></thead>'
    box = '<div class="texts" tabindex="0" role="group" aria-label="Texts of the templates">'
    return f"{box}<table>{head}<tbody>{lines}</tbody></table></div>"


def _cell(row: Row, line: str | None, tag: str, sign: str) -> str:
    if line is None:
        return '<td class="gap">⋯</td>' if row.same else '<td class="none"></td>'
    text = block(line) or " "
    return f"<td>  {text}</td>" if row.same else f"<td><{tag}>{sign} {text}</{tag}></td>"
