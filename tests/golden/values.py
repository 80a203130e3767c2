"""What of a command's answer is compared, how it is kept, and where two answers differ."""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

TOLERANCE = 1e-6  # relative and absolute
_DIGITS = 9
_NOISE = 1e-12  # what is smaller is rounding error and would change with every recording
_SAME = "as the line before"
FOLDER = Path(__file__).with_name("expected")
# What depends on the machine, the day or the place of the workspace.
_LEFT_OUT = {"timings_ms", "seconds", "created_at", "device", "reason", "folder", "libraries"}
# Facts of the data, long and repeated: a digest says whether they are the same.
_DIGESTED = {"history", "target", "title", "titles", "answer", "text"}
_KEY = re.compile(r"[0-9a-f]{64}")
# Keys of runs and measurements depend on library versions too: only which of them are equal counts.
_KEYS = ("run", "effects", "key")


def plain(value: Any, key: str = "") -> Any:
    """An answer as it is kept: rounded, without times and places, long texts and facts of data as digests.

    Objects with the same fields, in a list or under names, become one object of lists, a quarter as long.
    """
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if abs(value) > _NOISE else 0.0
    if isinstance(value, str):
        if _KEY.fullmatch(value):
            return value[:16]
        return _digest(value) if "\n" in value else value
    if key in _DIGESTED and isinstance(value, dict | list):
        return _digest(json.dumps(value, sort_keys=True, ensure_ascii=False))
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if not _left_out(name, one)}
        if len(value) > 2 and _alike(list(value.values())):
            return {"of": list(value), **_columns(list(value.values()))}
        return {name: plain(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return _columns(value) if len(value) > 1 and _alike(value) else [plain(one) for one in value]
    return value


def _alike(rows: list[Any]) -> bool:
    """Whether all are objects with the same fields."""
    return all(isinstance(row, dict) and row and row.keys() == rows[0].keys() for row in rows)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name, one in rows[0].items() if not _left_out(name, one)]
    return {name: plain([row[name] for row in rows], name) for name in names}


def _left_out(name: str, value: Any) -> bool:
    return name in _LEFT_OUT or (isinstance(value, str) and Path(value).is_absolute())


def numbered(answers: Any, key: str = "", known: dict[str, str] | None = None) -> Any:
    """Plain answers whose keys of runs and measurements are counted in the order in which they appear."""
    known = {} if known is None else known
    if isinstance(answers, dict):
        return {name: numbered(one, name, known) for name, one in answers.items()}
    if isinstance(answers, list):
        return [numbered(one, key, known) for one in answers]
    if key in _KEYS and isinstance(answers, str):
        return known.setdefault(answers, f"key {len(known) + 1}")
    return answers


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """Every place where two plain values differ: numbers by more than the tolerance, all else at all."""
    if isinstance(expected, dict) and isinstance(found, dict):
        told = [f"{where}.{name} is missing" for name in expected if name not in found]
        told += [f"{where}.{name} is new" for name in found if name not in expected]
        for name in expected:
            if name in found:
                told += differences(expected[name], found[name], f"{where}.{name}")
        return told
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [text for place, (a, b) in pairs for text in differences(a, b, f"{where}[{place}]")]
    if _number(expected) and _number(found) and float in (type(expected), type(found)):
        same = math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    else:
        same = type(expected) is type(found) and expected == found
    return [] if same else [f"{where}: {found!r} instead of {expected!r}"]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def path_of(case: str) -> Path:
    """Where a case's expected values are kept."""
    return FOLDER / f"{case}.json"


def read(case: str) -> dict[str, Any]:
    """The expected values of a case, by command line."""
    answers = json.loads(path_of(case).read_text(encoding="utf-8"))
    before: dict[str, Any] = {}
    for line, answer in answers.items():
        before = answers[line] = {**{name: before[name] for name in answer.pop(_SAME, ())}, **answer}
    return answers


def write(case: str, answers: dict[str, Any]) -> None:
    """Keep a case's values, one field a line, so that a diff shows what changed.

    What a line answers just as the line before it is only named.
    """
    before: dict[str, Any] = {}
    told = []
    for line, answer in answers.items():
        same = [name for name in answer if name in before and before[name] == answer[name]]
        kept = {name: one for name, one in answer.items() if name not in same}
        before = answer
        fields = [f"  {json.dumps(name)}: {_compact(one)}" for name, one in ({_SAME: same} | kept).items()]
        told.append(f"{_compact(line)}: {{\n" + ",\n".join(fields) + "\n}")
    FOLDER.mkdir(exist_ok=True)
    path_of(case).write_text("{\n" + ",\n".join(told) + "\n}\n", encoding="utf-8")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
