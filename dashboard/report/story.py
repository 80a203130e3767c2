"""A story: what is said of a stored thing, in the order it is told. Plain values, no HTML, no Streamlit.

Every sentence is plain text made from the numbers; pictures are SVG of `dashboard.report.pictures`, whose
text is escaped; the cells of a table are the Markdown that `dashboard.text` writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

LONGEST_TEXT = 200_000  # letters of a prompt; the rest is left out, and said


@dataclass(frozen=True)
class Table:
    """A titled table; its cells are Markdown."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Text:
    """A long text under a title; `html`: it is HTML already (a word diff), else plain text with its lines."""

    title: str
    body: str
    html: bool = False


@dataclass(frozen=True)
class Step:
    """One finding. `finding`: what it says, in a sentence or two; `about`: how to read what is shown.

    `pictures`: SVG; `more`: sentences that stand under it.
    """

    title: str
    finding: str
    about: str = ""
    pictures: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """A run, a comparison or a study as it is told.

    `about`: what it is of, in one line. `careful`: what forbids comparing, before everything else.
    `method`, `limits`: sentences. `facts`: name -> value of what the numbers depend on. `commands`: what
    computes them again, one shell command each. `ids`: what `dualens report` takes.
    """

    kind: str
    title: str
    about: str
    ids: tuple[str, ...]
    steps: tuple[Step, ...]
    careful: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    texts: tuple[Text, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()


def framed(title: str, frame: pd.DataFrame, *, index: bool = False) -> Table:
    """A table of the pages; `index`: its index is a column, too."""
    if index:
        frame = frame.reset_index()
    head = tuple("" if str(name) == "index" else str(name) for name in frame.columns)
    return Table(title, head, tuple(tuple(map(str, row)) for row in frame.to_numpy().tolist()))


def told(*tables: Table) -> tuple[Table, ...]:
    """Those of the tables that have rows."""
    return tuple(table for table in tables if table.rows)


def said(*sentences: str | None) -> tuple[str, ...]:
    """The sentences that say something, each once."""
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


def joined(parts: Sequence[str]) -> str:
    """Sentences as one text."""
    return " ".join(part for part in parts if part)
