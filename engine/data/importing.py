"""Import a file, folder or zip into the store: recognise, read in a stream, tidy up, insert, report.

Boundary: the one door to the importers. Nothing of a data set is visible before all of it is stored, and
`progress` is called at least every second, so that the job can give way or stop.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput, DataError
from db.names import clean_text
from db.paths import typed
from db.store import Store
from engine.data import imported
from engine.data.columns import Builder, ItemTable
from engine.data.files import Broken
from engine.data.imported import Progress
from engine.data.plan import CorrectedMapping, Plan
from engine.data.questions import Question
from engine.data.report import ImportOptions, Report
from engine.data.sniff import Recognised, sniff
from engine.data.tidy import tidy

PREVIEW_ROWS = 20
READ_SHARE = 0.5  # of the bar, for reading; the rest is for writing
NAMED_SHARE = 0.5  # an item file that names fewer of the bought items is not this data set's
SMALL_CATALOGUE = 1000  # items; beyond, a file with more unbought than bought items is a whole shop's

LABELS = {
    "file": "which is the file of the interactions",
    "timestamp": "which is the time",
    "items_file": "which is the item file",
    "items_item": "which is the item file's id",
    "items_title": "which is the item file's title",
    "dates": "in which order are day and month",
    "encoding": "in which encoding is it",
    "header": "does line 1 name the columns",
    "shortened_ids": "what becomes of shortened ids",
}
"""How questions about a field begin, where its name alone does not say it."""


@dataclass(frozen=True)
class Preview:
    """What an import would read: the first raw `rows` of `columns`, the first clean `titles`.

    `item_columns` are the columns that `items_*` fields of the mapping may name, `beside` the files that may
    be the item file. `evidence`: field -> why its column was taken. `questions`: what must be decided before
    an import (`engine.data.questions.Question`).
    """

    format: str
    label: str
    files: list[str]
    mapping: dict[str, str | None]
    columns: list[str]
    rows: list[list[Any]]
    titles: list[str]
    notes: list[str]
    item_columns: list[str]
    evidence: dict[str, str]
    questions: list[dict[str, Any]]
    beside: list[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class ManyLeftOut(DataError):
    """Most rows would be left out though nobody asked for that; nothing was imported.

    `question` and `report`: see `Report.question`; the message says how to decide.
    """

    def __init__(self, question: dict[str, Any], report: Report) -> None:
        self.question, self.report = question, report
        super().__init__(left_out(question, report.to_json(), _argument("accept_drops", True), _argument))


def _argument(name: str, value: Any) -> str:
    return f"{name}={value!r}"


def left_out(
    question: Mapping[str, Any], report: Mapping[str, Any], accept: str, option: Callable[[str, Any], str]
) -> str:
    """The question in words. `accept`, `option`: how consent and an option are written by who is asked."""
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in question["reasons"].items())
    ways = [option(name, value) for way in question["ways"] for name, value in way["options"].items()]
    keep = f"To keep more of them, import with {' or '.join(ways)}. " if ways else ""
    return (
        f"{question['share']:.0%} of {report['rows_read']:,} rows would be left out ({reasons}). Nothing was "
        f"imported. {keep}To import the other {report['rows_kept']:,} rows, import with {accept}."
    )


class _Enough(Exception):
    """Stops a reader once the preview has what it shows."""


def called(path: str | os.PathLike[str], uploads: Path) -> str:
    """How messages call what a person gave: by its path, or, for an upload, by the name of its file."""
    where = typed(path).absolute()
    if not where.is_relative_to(uploads):
        return str(path)
    return where.name if where.parent.parent == uploads else "the upload"


def preview(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    called: str | None = None,
    options: ImportOptions | None = None,
) -> Preview:
    """Look at the first rows without importing; raises DataError or BadInput like `import_path`.

    `called`: what messages call it; its path unless given.
    """
    options = (options or ImportOptions()).validate()
    recognised = sniff(path, format, mapping, called, options)
    plan = recognised.plan
    try:
        rows = [[_shown(cell) for cell in row] for row in plan.sample()[:PREVIEW_ROWS]]
    except Broken as error:
        raise DataError(f"{plan.interactions[0].name}, line 1: {error}. Nothing was imported.") from None
    return Preview(
        format=recognised.format.name,
        label=recognised.format.label,
        files=[member.name for member in plan.members],
        mapping=dict(plan.mapping),
        columns=list(plan.columns),
        rows=rows,
        titles=_first_titles(plan),
        notes=list(plan.notes),
        item_columns=list(plan.item_columns),
        evidence=dict(plan.evidence),
        questions=[question.to_json() for question in plan.questions],
        beside=list(plan.beside),
    )


def _shown(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, int | float | bool) else str(cell)[:300]


def _first_titles(plan: Plan) -> list[str]:
    """Clean titles from the start of the item file."""
    if plan.item_reader is None:
        return []
    table = ItemTable(Report())

    def stop(*_: object) -> None:
        if table.rows:
            raise _Enough

    with contextlib.suppress(_Enough):
        plan.item_reader(table, lambda _: True, stop)
    titles = (row.title for row in table.rows.values())
    return [title for title in titles if title][:PREVIEW_ROWS]


def read_path(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    options: ImportOptions | None = None,
    yes: bool = False,
    progress: Progress | None = None,
) -> tuple[DatasetColumns, Report]:
    """The canonical columns of `path` and the report, without a store. Raises DataError, Unsure, BadInput."""
    options = (options or ImportOptions()).validate()
    recognised = _sure(sniff(path, format, mapping, None, options), yes=yes)
    return _settled(*_read(recognised, options, progress or _silent), yes=yes)


def import_path(
    store: Store,
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    options: ImportOptions | None = None,
    accept_drops: bool = False,
    yes: bool = False,
    progress: Progress | None = None,
) -> tuple[DatasetInfo, Report]:
    """Import `path` as the data set `name` (default: from the file name).

    The same files with the same options under the same name change nothing and say so (`report.unchanged`);
    what an earlier version read from them is read again and compared.
    `progress(fraction | None, message)` is called at least every second or so; an exception it raises stops
    the import. `yes`: take the best guess where the columns are not clear. Raises DataError naming file, line
    and reason, Unsure where a person must choose, ManyLeftOut unless `accept_drops`, BadInput for
    options and mapping, Conflict when the name belongs to other data; the store is unchanged then.
    """
    started = time.perf_counter()
    options = (options or ImportOptions()).validate()
    progress = progress or _silent
    source = called(path, store.settings.uploads)
    recognised = _sure(sniff(path, format, mapping, source, options), yes=yes)
    name = name or default_name(path)
    known = imported.of_this_name(store, name, lambda: imported.fingerprint(recognised, options, progress))
    if known:
        if not imported.is_current(known):
            imported.compare(store, known, *_read(recognised, options, progress))
        report = Report.from_json(known.report)
        report.unchanged = True
        report.note(
            "These files were already imported under this name with the same options; nothing changed."
        )
        report.seconds = time.perf_counter() - started
        return known, report
    columns, report = _settled(*_read(recognised, options, progress), yes=yes)
    if not accept_drops and (question := report.question()):
        raise ManyLeftOut(question, report)
    files = imported.fingerprint(recognised, options, progress)
    fingerprint = imported.own_fingerprint(store, files, columns, report)
    report.seconds = time.perf_counter() - started
    info = datasets.insert(
        store,
        name,
        columns,
        kind=recognised.format.name,
        source=clean_text(source if source != str(path) else str(typed(path).absolute())),
        fingerprint=fingerprint,
        report=report.to_json(),
        progress=lambda fraction, message: progress(
            None if fraction is None else READ_SHARE + (1 - READ_SHARE) * fraction, message
        ),
    )
    report.seconds = time.perf_counter() - started
    if not imported.is_current(info):  # an equal one that was deleted came back
        datasets.replace_report(store, info.id, info.report | {"reader": imported.READER})
    return info, report


class Unsure(DataError):
    """A guess is too weak to import by; nothing was imported. `questions`: what a person must decide."""

    def __init__(self, file: str, questions: Sequence[Question]) -> None:
        self.file, self.questions = file, tuple(questions)
        lines = asked(file, questions, _answer)
        super().__init__("; ".join(map(str.strip, lines)))


def _answer(question: Question, value: str) -> str:
    return (
        _argument(question.option, value)
        if question.option
        else _argument("mapping", {question.field: value})
    )


def asked(file: str, questions: Sequence[Question], option: Callable[[Question, str], str]) -> list[str]:
    """The questions in words, a line per candidate; `option`: how an answer is written by who is asked."""
    lines = ["Nothing was imported: choose first"]
    for question in questions:
        label = LABELS.get(question.field, f"which is the {question.field}")
        reason = f"{question.reason[:1].upper()}{question.reason[1:]}"
        lines.append(f"{file}: {label}? {reason}")
        for candidate in question.candidates:
            examples = ", ".join(candidate.examples) or ("" if question.option else "empty")
            because = f" [{candidate.evidence}]" if candidate.evidence else ""
            shown = f" ({examples})" if examples else ""
            lines.append(f"  {option(question, candidate.name)}{shown}{because}")
        if question.optional:
            lines.append(f"  {option(question, '')} for none")
        if not question.candidates:
            lines.append("  no column can be it")
    return lines


def _sure(recognised: Recognised, *, yes: bool) -> Recognised:
    """The same, where its columns are known well enough to import without a person looking.

    `yes`: the best guess is taken and a note says so; a user and an item there must be. Raises Unsure.
    """
    plan = recognised.plan
    open_questions = [q for q in plan.questions if not yes or not _guessed(plan, q.field)]
    if open_questions:
        raise Unsure(plan.interactions[0].name, open_questions)
    if not plan.questions:
        return recognised
    taken = ", ".join(
        f"{q.field} = {plan.mapping.get(q.field) or q.candidates[0].name}" for q in plan.questions
    )
    note = f"Taken as the best guess, because you said yes: {taken}. Check it."
    return replace(recognised, plan=replace(plan, notes=(*plan.notes, note)))


def _settled(columns: DatasetColumns, report: Report, *, yes: bool) -> tuple[DatasetColumns, Report]:
    """The same where nothing that was read is open, or the best guesses will do; raises Unsure else."""
    if report.questions and not yes:
        raise Unsure(", ".join(report.files), report.questions)
    for question in report.questions:
        best = question.candidates[0].name
        report.note(f"Taken as the best guess, because you said yes: {question.field} = {best}. Check it.")
    return columns, report


def _guessed(plan: Plan, field: str) -> bool:
    return field in ("file", "header") or bool(plan.mapping.get(field))


def default_name(path: str | os.PathLike[str]) -> str:
    """A data-set name from a path: its last part without endings, in letters, digits and . _ - only."""
    base = typed(path).absolute().name
    base = re.sub(
        r"(\.(gz|zip|csv|tsv|txt|jsonl?|ndjson|parquet|inter|dat|data|train|valid|test))+$",
        "",
        base,
        flags=re.I,
    )
    name = re.sub(r"[^\w.-]+", "-", base).strip("-._")
    if not name:
        raise BadInput("Give the data set a name; the path offers none.")
    return name[:60]


def _read(
    recognised: Recognised, options: ImportOptions, progress: Progress
) -> tuple[DatasetColumns, Report]:
    plan, format = recognised.plan, recognised.format
    report = Report(
        format=format.name,
        label=format.label,
        mapping=dict(plan.mapping),
        evidence=dict(plan.evidence),
        options=options,
        reader=imported.READER,
    )
    for note in plan.notes:
        report.note(note)
    builder, table = Builder(report), ItemTable(report)
    share = READ_SHARE * (0.8 if plan.item_reader else 0.9)  # of the bar, for the interactions
    began = time.perf_counter()

    def read(fraction: float, message: str) -> None:
        rate = builder.size / max(1e-9, time.perf_counter() - began)
        progress(share * fraction, f"{message}, {rate:,.0f} rows/s" if builder.size else message)

    plan.reader(builder, read)
    if plan.item_reader:
        table.bought, table.spare = builder.items, max(2 * len(builder.items), SMALL_CATALOGUE)
        known = builder.items.__contains__
        rest = 0.9 * READ_SHARE - share
        plan.item_reader(table, known, lambda fraction, message: progress(share + rest * fraction, message))
    whole = _is_catalogue(plan, builder, table)
    say = f"Cleaning {builder.size:,} interactions"
    columns = tidy(
        builder, table, options, report, whole_catalogue=whole, step=lambda: progress(0.9 * READ_SHARE, say)
    )
    return columns, report


def _is_catalogue(plan: Plan, builder: Builder, table: ItemTable) -> bool:
    """Whether unbought items of the item file belong to the data set; a note where the file looks foreign."""
    bought = len(builder.items)
    if not plan.items or not bought:
        return False
    named = sum(item in table.rows for item in builder.items)
    if named < NAMED_SHARE * bought:
        builder.report.note(
            f"{plan.items.name} names only {named:,} of {bought:,} items that were bought; "
            "check that it belongs to these interactions."
        )
        return False
    unbought = len(table.rows) - named + table.skipped
    return plan.whole_catalogue and unbought <= max(bought, SMALL_CATALOGUE)


def _silent(fraction: float | None, message: str) -> None:
    """Progress that nobody watches."""
