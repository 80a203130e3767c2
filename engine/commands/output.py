"""How the command line prints: JSON for scripts, tables for people. No models and no store.

`DUALENS_TABLES=markdown` prints tables as Markdown, to paste into a document.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.choices import EFFECT_MODES
from db.effect_results import UNITS, groups

EVERY_S = 5.0  # between two lines of progress where there is no terminal
REDRAWN_S = 0.1  # between two states of its line on a terminal

# A pipe has no width: wide enough that no table row is broken for the next program.
console = Console(highlight=False, width=None if sys.stdout and sys.stdout.isatty() else 200)


def as_json(value: Any) -> None:
    """Print one JSON document; titles keep their letters, so the stream is UTF-8 whatever the locale."""
    verbatim(written(value))


def written(value: Any) -> str:
    """One JSON document as text, with its line end."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def verbatim(text: str) -> None:
    """Print a text that may be read back, and a line end if it has none: `line` breaks long lines."""
    ended = text if text.endswith("\n") else f"{text}\n"
    sys.stdout.buffer.write(ended.encode("utf-8", "backslashreplace"))


def table(rows: Iterable[Sequence[Any]], *columns: str, title: str | None = None) -> None:
    """Print rows under column names; cells are literal text, numbers are right-aligned."""
    if _as_markdown():
        console.print(Text(markdown(rows, columns)), soft_wrap=True)
        return
    grid = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell(value)) for value in row))
    console.print(grid)


def markdown(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> str:
    """Rows under column names as a Markdown table and an empty line; cells are literal text."""
    texts = [list(columns), *([cell(value) for value in row] for row in rows)]
    heads, *body = ([re.sub(r"([\\|*_<`\[])", r"\\\1", text) for text in line] for line in texts)
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *body))


def aside(text: str) -> None:
    """Print one line of progress to standard error, so that scripts can ignore it."""
    print(text, file=sys.stderr, flush=True)


def line(text: str) -> None:
    """Print one literal line, as Markdown a paragraph of its own."""
    console.print(Text(text), soft_wrap=_as_markdown(), end="\n\n" if _as_markdown() else "\n")


def _as_markdown() -> bool:
    return os.environ.get("DUALENS_TABLES") == "markdown"


@contextmanager
def progress(now: Callable[[], float] = time.monotonic) -> Iterator[Callable[..., None]]:
    """What a task reports: one line that changes on a terminal, a line every 5 s where there is none."""
    shown, last = -EVERY_S, ""
    terminal = console.is_terminal

    def say(_: float | None, message: str = "") -> None:
        nonlocal shown, last
        if not message or message == last or now() - shown < (REDRAWN_S if terminal else EVERY_S):
            return
        shown, last = now(), message
        if terminal:
            console.file.write(f"\r\x1b[2K{message[: console.width - 1]}")
            console.file.flush()
        else:
            line(message)

    try:
        yield say
    finally:
        if terminal and last:
            console.file.write("\r\x1b[2K")


def run(view: dict[str, Any]) -> None:
    """A run: the two lists as one table, the demonstrations, one line of numbers."""
    before = {row["item"]: row["rank"] for row in view["zero_shot"]}
    table(
        [
            [row["rank"], before[row["item"]], row["title"], row["score"], row["is_target"]]
            for row in view["items"]
        ],
        *("rank", "without", "title", "score", "target"),
    )
    for number, demo in enumerate(view["demonstrations"], 1):
        shown = " / ".join(item["title"] for item in demo["history"][-2:])
        line(
            f"demonstration {number} ({demo['source']}, user {demo['user']}, weight {demo['weight']:g}): "
            f"... {shown} -> {demo['answer']['title']}"
        )
    metrics, zero = view["metrics"], view["metrics"]["zero_shot"]
    cached = " (cached; timing of the first run)" if view["cached"] else ""
    line(
        f"target's rank {rank(zero)} -> {rank(metrics)}, NDCG@10 {zero['ndcg10']:.3f} -> "
        f"{metrics['ndcg10']:.3f}, {view['timings_ms']['total']:.0f} ms{cached}, run {view['run'][:12]}"
    )
    notes(view["notes"])


def notes(sentences: Iterable[str]) -> None:
    """What a reader of the numbers must know."""
    for sentence in sentences:
        line(f"note: {sentence}")


def rank(metrics: dict[str, Any]) -> str:
    """The target's expected rank, and how many others are tied with it."""
    tied = metrics.get("tied", 0)
    return f"{metrics['rank']:g}" + (f" (tied with {tied} other{'s' * (tied > 1)})" if tied else "")


def effects(view: dict[str, Any]) -> None:
    """Effects: a row per demonstration, what they add up to, and what the numbers do and do not say."""
    both = "removal" in view
    unit = UNITS[view["measure"]]
    rows, ways = view["demonstrations"], [(EFFECT_MODES[view["mode"]].label, lambda row: row)]
    if both:
        ways.append((EFFECT_MODES["direct"].label, lambda row: row["removal"]))
    names = {row["id"]: str(number) for number, row in enumerate(rows, 1)}
    near = {row["id"]: row["effect"] for row in view.get("proxy", {}).get("demonstrations", ())}
    table(
        [
            [
                names[row["id"]],
                *(one for _, of in ways for one in _effect(of(row))),
                row["loss_effect"],
                row["mass"],
                *([near[row["id"]]] if near else []),
                *(["the signs differ" if row["disagrees"] else ""] if both else []),
                row["id"],
            ]
            for row in rows
        ],
        "",
        *(column for label, _ in ways for column in (f"{label} ({unit})", "95 %", "left out alone")),
        f"off the loss{f', {ways[0][0]}' if both else ''} (nats)",
        *(
            "attention",
            *([view["proxy"]["model"]] if near else []),
            *(["note"] if both else []),
            "demonstration",
        ),
    )
    share = {"margin": "log-share among the candidates", "loss": "loss"}[view["measure"]]
    alone = view["estimator"] == "leave_one_out"
    together = "all together" if alone else "effects add up to"
    passes = "pass" if view["passes"] == 1 else "passes"
    line(
        f"{share} {view['value_zero_shot']:.3f} -> {view['value']:.3f}, {together} "
        f"{view['effect_total']:+.3f} {unit} ({view['estimator']}, {view['passes']} {passes})"
    )
    unsure = [group for group in groups(rows) if len(group) > 1]
    for group in unsure:
        line(f"Not told apart: {', '.join(names[name] for name in sorted(group, key=list(names).index))}.")
    if pair := view["redundant"]:
        line(
            f"Demonstrations {names[pair['first']]} and {names[pair['second']]} teach the same: beside "
            f"one of them the other adds {abs(pair['interaction']):.2f} {unit} less, on average."
        )
    notes(view["notes"])


COMPARED = ("rank", "rank_zero_shot", "margin", "ndcg10", "loss", "loss_zero_shot", "seconds")
"""Numbers of runs that are compared."""


def comparison(view: dict[str, Any]) -> None:
    """Runs beside the first: their numbers with differences, the inputs that differ, and which did it."""
    rows = view["runs"]
    table([[name.replace("_", " "), *_against(name, rows)] for name in COMPARED], "", *_names(rows))
    if view["changed"]:
        asked = [[each["label"], *(_short(value) for value in each["values"])] for each in view["changed"]]
        table(asked, "input", *(row["run"][:12] for row in rows))
    else:
        line("All inputs are the same.")
    if why := view.get("why"):
        attribution(why)
    notes(view["notes"])


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    first, *others = (row["run"][:12] for row in rows)
    return [first, *(name for other in others for name in (other, "difference"))]


def _against(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    first, *others = (row[name] for row in rows)
    cells = [first]
    for other in others:
        cells += [other, None if None in (first, other) else f"{other - first:+.4g}"]
    return cells


def _short(value: Any) -> str:
    text = cell(value) if not isinstance(value, list) else ", ".join(_short(each) for each in value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def attribution(why: dict[str, Any]) -> None:
    """How much of a change each input is answerable for (`engine.tasks.attribution`)."""
    readings = list(why["readings"])
    whole = all(row["shapley"] for row in why["inputs"])
    for name in readings:
        change = why["readings"][name]
        line(f"{name}: {change['a']:.4g} to {change['b']:.4g}, a change of {change['change']:+.4g}")
        parts = [
            [row["label"], *([f"{row['shapley'][name]:+.4g}"] if whole else []), *_alone(row, name)]
            for row in why["inputs"]
        ]
        table(parts, "input", *(["its part"] if whole else []), "swapped alone", "swapped last")
    notes(why["notes"])


def _alone(row: dict[str, Any], name: str) -> list[str]:
    return [f"{row[way][name]:+.4g}" for way in ("alone", "last")]


def _effect(row: dict[str, Any]) -> list[Any]:
    """An effect, its interval, and what leaving out that one alone costs."""
    interval = row["interval"]
    if interval is not None and interval[0] != interval[1]:
        interval = f"{interval[0]:+.2f} to {interval[1]:+.2f}"
    elif interval is not None:
        interval = "exact"
    return [row["effect"], interval, row["leave_one_out"]]


def report(dataset: str, said: dict[str, Any]) -> None:
    """What an import read, kept, repaired and dropped, each with its first example."""
    line(f"{dataset}: {said['label']}, {said['rows_kept']:,} of {said['rows_read']:,} interactions kept.")
    for kind in ("dropped", "repaired", "item_rows_dropped"):
        for reason, found in said.get(kind, {}).items():
            first = (found.get("examples") or [None])[0]
            where = f", first {first['file']} line {first['line']}: {first['detail']}" if first else ""
            line(f"  {kind.replace('_', ' ')}: {found['count']:,} {reason}{where}")
    for note in said.get("notes", []):
        line(f"  note: {note}")


def preview(found: dict[str, Any]) -> None:
    """What an import would read: format, columns and why, first rows, what must be decided."""
    line(f"{found['label']}: {', '.join(found['files'])}")
    for field, column in found["mapping"].items():
        why = found.get("evidence", {}).get(field)
        line(f"  {field}: {column or '-'}{f' ({why})' if column and why else ''}")
    table(found["rows"], *found["columns"])
    for note in found["notes"]:
        line(f"note: {note}")
    for question in found.get("questions", []):
        line(f"to decide: {question['field']}, for {question['reason']}")
        for candidate in question["candidates"]:
            line(f"  {candidate['name']}: {', '.join(candidate['examples'])} ({candidate['evidence']})")


def cell(value: Any) -> str:
    """A value as text: floats with 4 significant digits, a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
