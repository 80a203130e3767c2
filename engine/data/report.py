"""What an import was asked to do and what it found: options, counts, and a few examples of each finding.

Boundary: plain data and counting; reads no file.
"""

from __future__ import annotations

import codecs
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from db.errors import BadInput, DataError
from db.ratings import parse as parse_scale
from engine.data.questions import Question

MAX_EXAMPLES = 5
HOPELESS_ROWS = 1000  # after so many bad rows without a good one the file is not what it says

# Reasons that say "this row is not of this format", as opposed to a choice made on sound rows.
BROKEN_REASONS = frozenset(
    {
        "row not readable",
        "line too long",
        "user id missing",
        "item id missing",
        "id not usable",
        "timestamp missing",
        "timestamp not understood",
        "rating not a number",
    }
)


@dataclass(frozen=True)
class ImportOptions:
    """Filters applied at import, in this order (RecBole's order): repeats, min_rating, k_core, min_history.

    `repeats`: "first" keeps the earliest interaction of a user with an item, "last" the latest,
    "all" every one.
    `min_rating`: keep ratings at or above it (the field's "liked": 4). `k_core`: repeat dropping users and
    items with fewer interactions until none is left (the field's usual: 5); 0 is off. `min_history`: drop
    users with fewer interactions (3 = history + probe + target).

    What the files leave open: `rating_scale` (`db.ratings.parse`), `dates` that read both ways, `encoding` of
    text, `header`: whether line 1 names the columns, `shortened_ids`: what becomes of rows whose id a
    spreadsheet has cut (1.23457E+11), so that several share one. None: found from the files, or asked.
    """

    k_core: int = 0
    min_rating: float | None = None
    min_history: int = 3
    repeats: Literal["first", "last", "all"] = "first"
    rating_scale: str | None = None
    dates: Literal["month-first", "day-first"] | None = None
    encoding: str | None = None
    header: Literal["yes", "no"] | None = None
    shortened_ids: Literal["keep", "drop"] | None = None

    def validate(self) -> ImportOptions:
        """Self; raises BadInput naming the field."""
        if not isinstance(self.k_core, int) or not 0 <= self.k_core <= 1000:
            raise BadInput(f"k_core must be a whole number from 0 (off) to 1000, not {self.k_core!r}.")
        if not isinstance(self.min_history, int) or not 1 <= self.min_history <= 10_000:
            raise BadInput(f"min_history must be a whole number from 1 to 10000, not {self.min_history!r}.")
        rating = self.min_rating
        if rating is not None and not (isinstance(rating, int | float) and abs(rating) < 1e6):
            raise BadInput(f"min_rating must be a number or absent, not {rating!r}.")
        for name, answers in _ANSWERS.items():
            if getattr(self, name) not in answers:
                said = " or ".join(repr(answer) for answer in answers if answer)
                raise BadInput(f"{name} must be {said}, not {getattr(self, name)!r}.")
        if self.rating_scale is not None:
            parse_scale(self.rating_scale)
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise BadInput(
                    f"encoding {self.encoding!r} is not known; gb18030 or cp1252 are examples."
                ) from None
        return self

    @property
    def names_columns(self) -> bool | None:
        """Whether line 1 names the columns, None where the file is to tell."""
        return None if self.header is None else self.header == "yes"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is left open is not in it."""
        return {k: v for k, v in asdict(self).items() if v is not None or k not in _LEFT_OPEN}

    @staticmethod
    def from_json(data: dict[str, Any] | None) -> ImportOptions:
        """Options from a JSON object; raises BadInput on an unknown field."""
        data = data or {}
        known = [f.name for f in fields(ImportOptions)]
        if unknown := sorted(set(data) - set(known)):
            raise BadInput(f"Unknown import option {unknown[0]!r}; the options are {', '.join(known)}.")
        return ImportOptions(**data).validate()


_LEFT_OPEN = ("rating_scale", "dates", "encoding", "header", "shortened_ids")
_ANSWERS: dict[str, tuple[str | None, ...]] = {
    "repeats": ("first", "last", "all"),
    "dates": (None, "month-first", "day-first"),
    "header": (None, "yes", "no"),
    "shortened_ids": (None, "keep", "drop"),
}

REPEATED = "repeated user-item pair"
SHORTENED = "id shortened by a spreadsheet"
ALLOWED = 0.05  # of the rows may be left out for one reason; beyond, a person decides
ALLOWED_REPEATS = 0.5
# Not lost, but said twice or not said: rows that a list's layout writes more than once.
LAYOUT = frozenset(("padding in a list", "known from another row of the user", "shorter sequence of a user"))

# What changes the options so that rows left out for a reason that starts like this are kept.
WAYS = (
    (REPEATED, "Keep repeats", {"repeats": "all"}),
    ("user with fewer than", "Keep short histories", {"min_history": 1}),
)

Tally = dict[str, dict[str, Any]]


def _count(tally: Tally, reason: str, file: str, line: int | None, detail: str, count: int) -> None:
    entry = tally.setdefault(reason, {"count": 0, "examples": []})
    entry["count"] += count
    if len(entry["examples"]) < MAX_EXAMPLES:
        entry["examples"].append({"file": file, "line": line, "detail": detail[:200]})


@dataclass
class Report:
    """Findings of one import; `to_json` is what the store keeps and pages show.

    `rows_read` = `rows_kept` + the sum of `dropped` counts; `item_rows_read` likewise for the item file.
    `repaired` counts what was kept after a repair.
    """

    format: str = ""
    label: str = ""
    files: dict[str, int] = field(default_factory=dict)
    mapping: dict[str, str | None] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    options: ImportOptions = field(default_factory=ImportOptions)
    rows_read: int = 0
    rows_kept: int = 0
    dropped: Tally = field(default_factory=dict)
    item_rows_read: int = 0
    item_rows_dropped: Tally = field(default_factory=dict)
    repaired: Tally = field(default_factory=dict)
    users: int = 0
    items: int = 0
    missing_titles: int = 0
    shared_titles: dict[str, int] = field(default_factory=dict)
    ties: dict[str, Any] = field(default_factory=lambda: {"users": 0, "share": 0.0})
    items_without_interactions: dict[str, int] = field(default_factory=lambda: {"kept": 0, "left_out": 0})
    notes: list[str] = field(default_factory=list)
    scale: dict[str, Any] | None = None  # of the ratings, see db.ratings
    questions: list[Question] = field(default_factory=list)
    seconds: float = 0.0
    unchanged: bool = False
    reader: int = 0  # which version of the importers read it
    files_digest: str = ""  # where the fingerprint of the data set is another one: that of its files

    def drop(self, reason: str, file: str, line: int | None, detail: str = "", count: int = 1) -> None:
        """Count interaction rows that were left out."""
        _count(self.dropped, reason, file, line, detail, count)

    def drop_item(self, reason: str, file: str, line: int | None, detail: str = "") -> None:
        """Count item rows that were left out."""
        _count(self.item_rows_dropped, reason, file, line, detail, 1)

    def repair(self, reason: str, file: str, line: int | None, detail: str = "", count: int = 1) -> None:
        """Count something that was put right and kept."""
        _count(self.repaired, reason, file, line, detail, count)

    def ask(self, question: Question) -> None:
        """Leave something open for a person to decide, once."""
        if question not in self.questions:
            self.questions.append(question)

    def note(self, sentence: str) -> None:
        """Add one sentence for the person, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def unreadable(self, reason: str, file: str, line: int, detail: str = "") -> None:
        """Count a row that never became values; gives up (DataError) when nothing else comes."""
        self.rows_read += 1
        self.drop(reason, file, line, detail)
        if self.dropped[reason]["count"] % HOPELESS_ROWS == 0:
            self.check_format(final=False)

    def unreadable_item(self, reason: str, file: str, line: int, detail: str = "") -> None:
        """Count an item row that never became values."""
        self.item_rows_read += 1
        self.drop_item(reason, file, line, detail)

    def check_format(self, *, final: bool) -> None:
        """Raise DataError, with the first bad row as witness, when the rows read are not of this format."""
        bad = sum(entry["count"] for reason, entry in self.dropped.items() if reason in BROKEN_REASONS)
        good = self.rows_read - bad
        if (final and bad > good) or (good <= 0 and bad >= HOPELESS_ROWS):
            reason, entry = next((r, e) for r, e in self.dropped.items() if r in BROKEN_REASONS)
            first = entry["examples"][0]
            detail = f" ({first['detail']})" if first["detail"] else ""
            raise DataError(
                f"{first['file']}, line {first['line']}: {reason}{detail}; {bad:,} of {self.rows_read:,} "
                f"rows could not be used as {self.label}. Nothing was imported. Check format and mapping."
            )

    def check_sums(self) -> None:
        """Raise DataError unless every row read is kept or counted as dropped; rows repaired are kept."""
        gone = sum(entry["count"] for entry in self.dropped.values())
        if self.rows_read != self.rows_kept + gone:
            raise DataError(
                f"The counts do not add up: {self.rows_read:,} rows read, {self.rows_kept:,} kept and "
                f"{gone:,} dropped. Nothing was imported; this is a fault of the importer, please report it."
            )

    def question(self) -> dict[str, Any] | None:
        """What to ask before importing, None where no reason leaves out more than it may.

        Filters that somebody set are not asked about. `ways`: changed options that keep more, with labels.
        """
        unasked = {reason: entry["count"] for reason, entry in self.dropped.items() if self._unasked(reason)}
        rows = max(1, self.rows_read)
        reasons = {
            reason: count
            for reason, count in unasked.items()
            if count > rows * (ALLOWED_REPEATS if reason == REPEATED else ALLOWED)
        }
        if not reasons:
            return None
        share = sum(reasons.values()) / rows
        ways = [
            {"label": label, "options": options}
            for start, label, options in WAYS
            if any(reason.startswith(start) for reason in reasons)
        ]
        return {"share": round(share, 4), "reasons": reasons, "ways": ways}

    def _unasked(self, reason: str) -> bool:
        usual = ImportOptions()
        if reason.startswith(("rating below", "outside the", SHORTENED)) or reason in LAYOUT:
            return False
        return not reason.startswith("user with fewer") or self.options.min_history == usual.min_history

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dict of every field."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["options"] = self.options.to_json()
        data["questions"] = [question.to_json() for question in self.questions]
        data["seconds"] = round(self.seconds, 3)
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Report:
        """The report a data set was stored with; fields it lacks keep their defaults."""
        known = {f.name for f in fields(Report)} - {"questions"}
        values = {key: deepcopy(value) for key, value in data.items() if key in known}
        if "options" in values:
            values["options"] = ImportOptions.from_json(values["options"])
        return Report(**values)
