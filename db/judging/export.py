"""A comparison and what people said of it, for other programs: judgements as a table, or all as JSON."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from db.cells import guarded
from db.judging.outcome import outcome
from db.judging.pairing import Pair
from db.judging.records import Judge, Judgement, Judging, judgements, judges, pairs
from db.store import Store

FORMAT = "dualens-judgements"
VERSION = 1
COLUMNS = ("comparison", "pair", "dataset", "user", "judge", "choice", "left", "reason", "judged_at")
COLUMNS += tuple(f"{name}_{side}" for name in ("list", "run", "ndcg10", "effect") for side in "ab")


def as_json(store: Store, judging: Judging) -> dict[str, Any]:
    """The comparison, its results, its pairs as they were shown, and every judgement."""
    shown, who, said = pairs(store, judging), judges(store, judging), judgements(store, judging)
    named = {judge.number: judge.name for judge in who}
    found = outcome(judging, shown, who, said)
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": judging.id,
        "name": judging.name,
        "question": judging.question,
        "a": judging.labels[0],
        "b": judging.labels[1],
        "seed": judging.seed,
        "created_at": _moment(judging.created_at),
        "left_out": judging.left_out,
        "results": {name: found[name] for name in ("all", "judges", "agreement")}
        | {name: found[name] for name in ("ndcg", "effects", "demonstrations")},
        "pairs": [asdict(pair) for pair in shown],
        "judgements": [
            {
                "judge": named[each.judge],
                "pair": each.pair,
                "choice": each.choice,
                "left": each.left,
                "reason": each.reason,
                "judged_at": _moment(each.judged_at),
            }
            for each in said
        ],
    }


def as_csv(store: Store, judging: Judging) -> str:
    """One row for each judgement, with the numbers of both lists; no cell runs in a spreadsheet."""
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    for row in rows(judging, pairs(store, judging), judges(store, judging), judgements(store, judging)):
        writer.writerow({name: guarded(value) for name, value in row.items()})
    return written.getvalue()


def rows(
    judging: Judging, shown: Sequence[Pair], who: Sequence[Judge], said: Sequence[Judgement]
) -> list[dict[str, Any]]:
    """The judgements as rows of plain values, by `COLUMNS`."""
    by_number = {pair.number: pair for pair in shown}
    named = {judge.number: judge.name for judge in who}
    return [_row(judging, by_number[each.pair], named[each.judge], each) for each in said]


def _row(judging: Judging, pair: Pair, judge: str, said: Judgement) -> dict[str, Any]:
    row = {
        "comparison": judging.name,
        "pair": pair.number,
        "dataset": pair.dataset,
        "user": pair.user,
        "judge": judge,
        "choice": said.choice,
        "left": said.left,
        "reason": said.reason,
        "judged_at": _moment(said.judged_at),
    }
    for side, label, listed in zip("ab", judging.labels, pair.lists, strict=True):
        row |= {f"list_{side}": label, f"run_{side}": listed.run}
        row |= {f"ndcg10_{side}": listed.ndcg10, f"effect_{side}": listed.effect}
    return row


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
