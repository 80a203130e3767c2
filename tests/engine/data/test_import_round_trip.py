"""Files written in every style that the importer reads come back exactly, or are refused in words.

A made-up table of purchases is written with a random spelling of ids, times, ratings, quotes, line ends and
encoding, and with rows that cannot be used. What is read must be that table, and every other row counted.
DUALENS_FUZZ=100 makes a hundred times as many.
"""

import csv
import io
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from db.ratings import Scale
from engine.data.importing import read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of

EFFORT = int(os.environ.get("DUALENS_FUZZ", "1"))
thorough = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    max_examples=60 * EFFORT,
    phases=tuple(Phase) if EFFORT == 1 else (Phase.reuse, Phase.generate),
)

START, DAY = 1_400_000_000, 86_400
MAPPING = {"user": "who", "item": "what", "timestamp": "when", "rating": "mark", "title": "name"}

DATES = {
    "seconds": lambda t: str(t),
    "milliseconds": lambda t: str(t * 1000),
    "microseconds": lambda t: str(t * 1_000_000),
    "float": lambda t: f"{t}.0",
    "iso": lambda t: datetime.fromtimestamp(t, UTC).isoformat(),
    "us": lambda t: datetime.fromtimestamp(t, UTC).strftime("%m/%d/%Y %H:%M:%S"),
    "us 12 h": lambda t: datetime.fromtimestamp(t, UTC).strftime("%m/%d/%Y %I:%M:%S %p"),
    "european": lambda t: datetime.fromtimestamp(t, UTC).strftime("%d.%m.%Y %H:%M:%S"),
    "british": lambda t: datetime.fromtimestamp(t, UTC).strftime("%d/%m/%Y %H:%M:%S"),
    "rfc": lambda t: datetime.fromtimestamp(t, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000"),
    "twitter": lambda t: datetime.fromtimestamp(t, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y"),
    "compact": lambda t: datetime.fromtimestamp(t, UTC).strftime("%Y%m%d%H%M%S"),
}
# How marks 1 to 5 are written, and the scale they must be read on.
MARKS = {
    "stars": (lambda m: str(m), Scale(1, 5, 4, 3), float),
    "comma": (lambda m: f"{m},0", Scale(1, 5, 4, 3), float),
    "of five": (lambda m: f"{m}/5", Scale(1, 5, 4, 3), float),
    "words": (lambda m: "like" if m > 3 else "dislike", Scale(0, 1, 1, 1), lambda m: float(m > 3)),
    "of ten": (lambda m: str(2 * m), Scale(1, 10, 8, 6), lambda m: 2.0 * m),
    "percent": (lambda m: f"{20 * m}%", Scale(0, 100, 75, 50), lambda m: 20.0 * m),
    "signs": (lambda m: "★" * m + "☆" * (5 - m), Scale(1, 5, 4, 3), float),
}
NAMES = {
    "number": lambda n: str(n),
    "float": lambda n: f"{n}.0",
    "word": lambda n: f"id-{n}x",
    "long": lambda n: f"A{n:012}",
    "letters": lambda n: "Ωé漢字"[n % 4] + str(n),
}
FORMS = ("csv", "tsv", "semicolon", "bar", "jsonl", "parquet")
LETTERS = {
    "utf-8": "Blue Kettle, 5\" disc 'x'; é 漢 | a",
    "utf-8-sig": "Kettle é 漢",
    "utf-16": "Kettle é 漢",
    "cp1252": "Blue Kettle",
}


@dataclass(frozen=True)
class Style:
    form: str
    date: str
    mark: str
    user: str
    item: str
    encoding: str
    end: str
    blank: bool
    zipped: bool


styles = st.builds(
    Style,
    st.sampled_from(FORMS),
    st.sampled_from(list(DATES)),
    st.sampled_from(list(MARKS)),
    st.sampled_from(list(NAMES)),
    st.sampled_from(list(NAMES)),
    st.sampled_from(list(LETTERS)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.booleans(),
)
# (user, item, day, second of the day, mark); each pair once, days beyond the twelfth tell the order of dates
purchases = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 12), st.integers(0, 400), st.integers(0, 86_399), st.integers(1, 5)
    ),
    min_size=12,
    max_size=60,
    unique_by=lambda p: (p[0], p[1]),
)
spoilt = st.lists(st.sampled_from(["no user", "no item", "no time", "bad time", "bad mark"]), max_size=4)


def named(style: Style, item: int) -> str:
    return f"{LETTERS[style.encoding]} {item}"


def rows_of(style: Style, bought: list[tuple], bad: list[str]) -> list[dict[str, Any]]:
    """The table as texts, the bad rows between the good ones."""
    rows = []
    for user, item, day, second, mark in bought:
        rows.append(
            {
                "who": NAMES[style.user](user),
                "what": NAMES[style.item](item),
                "when": DATES[style.date](START + DAY * day + second),
                "mark": MARKS[style.mark][0](mark),
                "name": named(style, item),
            }
        )
    spoil = {
        "no user": ("who", "NULL"), "no item": ("what", ""), "no time": ("when", ""),
        "bad time": ("when", "soon"), "bad mark": ("mark", "so so"),
    }  # fmt: skip
    for place, kind in enumerate(bad):
        rows.insert(3 * place + 2, {**rows[0], "what": "extra", **dict([spoil[kind]])})
    return rows


def written(folder: Path, style: Style, rows: list[dict[str, Any]]) -> Path:
    """The table as a file in this style."""
    if style.form == "parquet":
        path = folder / "table.parquet"
        pq.write_table(pa.table({key: [row[key] or None for row in rows] for key in rows[0]}), path)
        return path
    if style.form in ("jsonl", "array"):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        text = "\n".join(lines) + "\n" if style.form == "jsonl" else "[" + ",\n".join(lines) + "]\n"
        path = folder / "table.json"
        path.write_bytes(text.encode("utf-8"))
        return path
    delimiter = {"csv": ",", "tsv": "\t", "semicolon": ";", "bar": "|"}[style.form]
    file = io.StringIO(newline="")
    plain = delimiter == "\t"
    writer = csv.DictWriter(
        file, list(rows[0]), delimiter=delimiter, lineterminator=style.end,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL, quotechar=None if plain else '"',
    )  # fmt: skip
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "table.csv"
    path.write_bytes(((style.end if style.blank else "") + file.getvalue()).encode(style.encoding))
    return path


@thorough
@given(style=styles, bought=purchases, bad=spoilt)
def test_what_was_written_is_read(style: Style, bought: list[tuple], bad: list[str]) -> None:
    text = style.form not in ("parquet", "jsonl", "array")
    assume(
        not (style.encoding == "cp1252" and (style.mark == "signs" or "letters" in (style.user, style.item)))
    )
    assume(not (text and style.form == "tsv" and '"' in LETTERS[style.encoding] and style.end == "\r"))
    rows = rows_of(style, bought, bad)
    _, scale, value = MARKS[style.mark]
    options = ImportOptions(min_history=1, repeats="all")
    with tempfile.TemporaryDirectory() as home:
        path = written(Path(home), style, rows)
        columns, report = read_path(path, format="generic", mapping=MAPPING, options=options)
    open_ = {question.field for question in report.questions}
    assert open_ <= {"dates"}
    if open_:  # every day is the twelfth at most
        assert all(datetime.fromtimestamp(START + DAY * p[2] + p[3], UTC).day <= 12 for p in bought)
        return
    assert report.rows_read == len(rows)
    assert sum(entry["count"] for entry in report.dropped.values()) == len(bad)
    number = {"number": str, "float": str}
    users, items = (number.get(kind, NAMES[kind]) for kind in (style.user, style.item))
    wanted = sorted(
        (users(u), items(i), START + DAY * day + second, value(mark)) for u, i, day, second, mark in bought
    )
    assert columns.timestamp is not None
    assert columns.rating is not None
    got = sorted(
        (columns.user_ids[u], columns.item_ids[i], t, r)
        for u, i, t, r in zip(
            columns.user, columns.item, columns.timestamp.tolist(), columns.rating.tolist(), strict=True
        )
    )
    assert got == wanted
    seen = {value(mark) for *_, mark in bought}
    if len(seen) == 5 or style.mark in ("of five", "words", "percent", "signs"):
        assert Scale.from_json(report.scale) == scale
    assert titles_of(columns).items() >= {items(item): named(style, item) for _, item, *_ in bought}.items()
