"""Sets as files: the project's own JSON, which brings back exactly what was written, and DSPy's demos.

The own form (`FORMAT`, `VERSION`) holds ids, order, weights, locks, note, whom the set is for, and of each
demonstration all that it is made of. DSPy's is a list of examples with an input and an output field: titles
alone, without weights and locks. Boundary: text in, and text out; a file that is not what it says is refused
with where and what, and nothing is stored then.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from db import datasets, demonstrations
from db.choices import HAND_WRITTEN, SOURCES
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration, demonstration_id, hand_written
from db.errors import BadInput, Conflict, NotFound
from db.names import quoted, storable
from db.sets.records import Member, NamedSet, check, get, save
from db.store import Store

FORMAT, VERSION = "dualens-set", 1
INPUT, OUTPUT = "history", "answer"
"""Fields of a DSPy example, unless others are named."""
_MERGED = ("aggregated", "placebo")
"""Sources of demonstrations that are made of several windows."""
LARGEST = 5_000_000
"""Characters of a file."""


@dataclass(frozen=True)
class Brought:
    """A set that was read from a file and kept, and what a person should know of how."""

    kept: NamedSet
    notes: tuple[str, ...]


def write(store: Store, dataset: DatasetInfo, kept: NamedSet) -> dict[str, Any]:
    """The own form of a set, as JSON."""
    stored = demonstrations.get_many(store, [member.id for member in kept.members], dataset.origin_id)
    titles = demonstrations.titles(store, stored.values())
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": kept.name,
        "digest": kept.digest,
        "note": kept.note,
        "user": kept.user_id,
        "data": {"name": dataset.name, "fingerprint": dataset.origin},
        "demonstrations": [
            {
                "id": member.id,
                "weight": member.weight,
                "locked": member.locked,
                **_content(stored[member.id]),
                "titles": [title for _, title in titles[member.id]],
            }
            for member in kept.members
            if member.id in stored
        ],
    }


def write_dspy(store: Store, dataset: DatasetInfo, kept: NamedSet) -> tuple[list[dict[str, Any]], list[str]]:
    """The examples `{history: [title, ...], answer: title}` that DSPy loads as demos, and what is lost so."""
    shown = [member for member in kept.members if member.weight > 0]
    stored = demonstrations.get_many(store, [member.id for member in shown], dataset.origin_id)
    titles = demonstrations.titles(store, stored.values())
    examples = [
        {INPUT: [title for _, title in titles[member.id][:-1]], OUTPUT: titles[member.id][-1][1]}
        for member in shown
        if member.id in titles
    ]
    notes = []
    if len(shown) < len(kept.members):
        notes.append(f"{len(kept.members) - len(shown)} demonstrations of weight 0 are not in the file.")
    if any(member.weight != 1 for member in shown):
        notes.append("DSPy knows no weights: every demonstration counts 1 there.")
    return examples, notes


def bring(
    store: Store,
    dataset: DatasetInfo,
    text: str,
    *,
    name: str | None = None,
    otherwise: str | None = None,
    as_text: bool = False,
    replace_existing: bool = False,
    fields: tuple[str, str] = (INPUT, OUTPUT),
) -> Brought:
    """Keep the set of a file's text, of either form.

    name: instead of the file's own. otherwise: where the file has none, as DSPy's. as_text: take the titles
    alone, of a set of other data. fields: of DSPy's examples, input and output. Raises BadInput, or Conflict
    where there is a set of this name and it is not to be replaced; the store is as before then.
    """
    found = _parsed(text)
    if isinstance(found, dict) and found.get("format") == FORMAT:
        read = _own(store, dataset, found, as_text)
    else:
        read = _of_dspy(dataset, found, fields)
    called = name or read.name or otherwise
    if called is None:
        raise BadInput("DSPy's form has no name for the set: give one.")
    if not replace_existing and _taken(store, dataset, called):
        raise Conflict(
            f"There is a set {quoted(called)} already. Give another name, or replace it; nothing was changed."
        )
    check(called, read.members, read.note)
    demonstrations.save_many(store, read.demonstrations)
    kept = save(store, dataset, called, read.members, read.user, read.note)
    return Brought(kept, read.notes)


@dataclass(frozen=True)
class _Read:
    name: str | None
    note: str
    user: str | None
    demonstrations: tuple[Demonstration, ...]
    members: tuple[Member, ...]
    notes: tuple[str, ...] = ()


def _parsed(text: str) -> Any:
    if len(text) > LARGEST:
        raise BadInput(f"The file has {len(text):,} characters, and a set has at most {LARGEST:,}.")
    if not storable(text):
        raise BadInput("The file holds a NUL or half a character, which no database stores. Remove it.")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"The file is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(
            "The file is not JSON that can be read: it is nested too deeply, or a number in it is too long."
        ) from error
    if not _storable(found):
        raise BadInput("The file writes a NUL or half a character, which no database stores. Remove it.")
    return found


def _storable(found: Any) -> bool:
    """Whether the store can keep every text in it: JSON can write what it cannot."""
    if isinstance(found, str):
        return storable(found)
    inside = [*found, *found.values()] if isinstance(found, dict) else found
    return all(map(_storable, inside)) if isinstance(inside, list) else True


def _own(store: Store, dataset: DatasetInfo, found: Mapping[str, Any], as_text: bool) -> _Read:
    if found.get("version") != VERSION:
        raise BadInput(
            f"version: this reads version {VERSION} of {FORMAT}, and the file is of version "
            f"{quoted(found.get('version'))}. Write it with a version of this program that is not newer."
        )
    data = _field(found, "the file", "data", dict)
    of = _field(data, "data", "fingerprint", str)
    entries = _field(found, "the file", "demonstrations", list)
    user = _field(found, "the file", "user", str, None)
    if of != dataset.origin and not as_text:
        raise BadInput(
            f"This set is of other data ({quoted(data.get('name'))}) than {dataset.name!r}: its windows are "
            "not here. Import it into that data set, or take its titles as text (--as-text)."
        )
    pairs = [
        _entry(dataset, entry, f"demonstration {number}", as_text) for number, entry in enumerate(entries, 1)
    ]
    if as_text:
        user = None
    else:
        _check_windows(store, dataset, [one for one, _ in pairs])
        if user is not None:
            _check_user(store, dataset, user, "user")
    return _Read(
        _field(found, "the file", "name", str, None),
        _field(found, "the file", "note", str, None) or "",
        user,
        tuple(one for one, _ in pairs),
        tuple(member for _, member in pairs),
        (AS_TEXT.format(count=len(pairs)),) if as_text and pairs else (),
    )


AS_TEXT = (
    "Taken as text: {count} demonstrations by hand, of which nothing can check that what they show was known "
    "before a target."
)


def _entry(dataset: DatasetInfo, entry: Any, where: str, as_text: bool) -> tuple[Demonstration, Member]:
    if not isinstance(entry, dict):
        raise BadInput(f"{where}: expected an object, got {quoted(entry)}.")
    weight = _weight(_field(entry, where, "weight", (int, float), 1.0), where)
    locked = _field(entry, where, "locked", bool, False)
    if as_text:
        one = _by_hand(dataset, _texts(entry, where, "titles"), where)
    else:
        one = _window(dataset, entry, where)
        if one.id != entry.get("id"):
            raise BadInput(
                f"{where}: its id {quoted(entry.get('id'))} is not that of its content ({one.id}): the file "
                "was changed by hand. Export it again, or take its titles as text (--as-text)."
            )
    return one, Member(one.id, weight, locked)


def _weight(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise BadInput(f"{where}: weight: {quoted(value)} is too large a number.") from None


def _content(one: Demonstration) -> dict[str, Any]:
    """All that a demonstration is made of."""
    return {
        "source": one.source,
        "user": one.user_id,
        "history": list(one.history),
        "answer": one.answer,
        "position": one.position,
        "timestamp": one.timestamp,
        "written": None if one.text_override is None else one.text_override.splitlines(),
        "merged": [list(place) for place in one.merged],
    }


def _window(dataset: DatasetInfo, entry: Mapping[str, Any], where: str) -> Demonstration:
    """A demonstration of what it is made of."""
    written = entry.get("written")
    merged = _field(entry, where, "merged", list, [])
    if not all(_is_place(place) for place in merged):
        raise BadInput(f"{where}: merged: expected pairs of a user id and a position, got {quoted(merged)}.")
    one = Demonstration(
        id="",
        dataset_id=dataset.origin_id,
        source=_field(entry, where, "source", str),
        user_id=_field(entry, where, "user", str),
        history=tuple(_texts(entry, where, "history")),
        answer=_field(entry, where, "answer", str),
        position=_field(entry, where, "position", int, None),
        timestamp=_field(entry, where, "timestamp", int, None),
        text_override=None if written is None else "\n".join(_texts(entry, where, "written")),
        merged=tuple((user, position) for user, position in merged),
    )
    content = (one.user_id, one.history, one.answer, one.position, one.text_override, one.merged)
    return replace(one, id=demonstration_id(dataset.origin, *content))


def _check_windows(store: Store, dataset: DatasetInfo, found: Sequence[Demonstration]) -> None:
    """That each is a window of this data set: what says when it was known must be true. Raises BadInput."""
    for number, one in enumerate(found, 1):
        where = f"demonstration {number}"
        if one.text_override is None and not one.merged and one.position is None:
            raise BadInput(f"{where}: it is no window and has no written titles. Export the set again.")
        if one.source not in (known := _sources(one)):
            raise BadInput(
                f"{where}: source: {quoted(one.source)} is not one of {', '.join(known)}, which such a "
                "demonstration can have. Export the set again."
            )
        answers = []
        for user, position in one.places:
            owner, length = _check_user(store, dataset, user, where)
            if not 0 < position < length:
                raise BadInput(f"{where}: user {quoted(user)} has no purchase {position} with one before it.")
            alone = not one.merged and one.text_override is None
            span = (owner, position - (len(one.history) if alone else 0), position + 1)
            (rows,) = datasets.windows(store, dataset.origin_id, [span])
            if alone and [row.item_id for row in rows] != [*one.history, one.answer]:
                raise BadInput(
                    f"{where}: user {quoted(user)} did not buy these items in this order. Export the set "
                    "again, or take its titles as text (--as-text)."
                )
            answers.append(rows[-1].timestamp)
        if one.timestamp not in (answers or [None]):
            raise BadInput(
                f"{where}: timestamp: {quoted(one.timestamp)} is not when its answer was bought. Export the "
                "set again, or take its titles as text (--as-text)."
            )


def _sources(one: Demonstration) -> tuple[str, ...]:
    """What its source can be: it says how the demonstration is read."""
    if one.text_override is not None:
        return (HAND_WRITTEN,)
    return _MERGED if one.merged else tuple(name for name in SOURCES if name not in (*_MERGED, HAND_WRITTEN))


def _check_user(store: Store, dataset: DatasetInfo, user: str, where: str) -> tuple[int, int]:
    """Number and length of a user. Raises BadInput where there is none."""
    try:
        info = datasets.user(store, dataset.origin_id, user)
    except NotFound:
        raise BadInput(f"{where}: {dataset.name!r} has no user {quoted(user)}.") from None
    return info.user, info.length


def _of_dspy(dataset: DatasetInfo, found: Any, fields: tuple[str, str]) -> _Read:
    examples = _examples(found)
    given, asked = fields
    made, ignored = [], set()
    for number, example in enumerate(examples, 1):
        where = f"example {number}"
        if not isinstance(example, dict):
            raise BadInput(f"{where}: expected an object with fields, got {quoted(example)}.")
        for name in fields:
            if name not in example:
                raise BadInput(
                    f"{where}: it has no field {name!r}; it has {', '.join(map(repr, example)) or 'none'}. "
                    "Say which fields hold the history and the answer (--input, --output)."
                )
        answer = _texts(example, where, asked)
        if len(answer) != 1:
            raise BadInput(f"{where}: {asked}: expected one title, got {len(answer)}.")
        made.append(_by_hand(dataset, [*_texts(example, where, given), *answer], where))
        ignored |= example.keys() - set(fields)
    notes = [AS_TEXT.format(count=len(made))] if made else []
    if ignored:
        notes.append(f"Fields that were not read: {', '.join(sorted(map(str, ignored)))}.")
    unique = {one.id: one for one in made}
    if len(unique) < len(made):
        notes.append(f"{len(made) - len(unique)} examples stand in the file twice and were taken once.")
    return _Read(None, "", None, tuple(unique.values()), tuple(map(Member, unique)), tuple(notes))


def _examples(found: Any) -> list[Any]:
    """The demos of a list, of a saved predictor, or of a saved program with one predictor that has some."""
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        if isinstance(found.get("demos"), list):
            return found["demos"]
        inside = {name: part["demos"] for name, part in found.items() if _has_demos(part)}
        if len(inside) == 1:
            return next(iter(inside.values()))
        if inside:
            raise BadInput(
                f"The file is a DSPy program with demos in {', '.join(map(repr, inside))}: keep one of them."
            )
    raise BadInput(
        f"The file is neither a set of this program (format {FORMAT!r}) nor DSPy's demos, which are a list "
        'of objects such as {"history": ["..."], "answer": "..."}.'
    )


def _has_demos(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("demos"), list) and bool(part["demos"])


def _by_hand(dataset: DatasetInfo, titles: Sequence[str], where: str) -> Demonstration:
    try:
        return hand_written(dataset, titles[:-1], titles[-1] if titles else "")
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


def _texts(entry: Mapping[str, Any], where: str, name: str) -> list[str]:
    """A list of texts, or one text with one of them a line."""
    value = entry.get(name)
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{where}: {name}: expected a list of texts, got {quoted(value)}.")
    return value


_NEEDED = object()


def _field(
    entry: Mapping[str, Any], where: str, name: str, kind: type | tuple[type, ...], default: Any = _NEEDED
) -> Any:
    """A field of an object. Raises BadInput where it is missing, or of another kind."""
    value = entry.get(name)
    if value is None and default is not _NEEDED:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds: Iterable[type] = kind if isinstance(kind, tuple) else (kind,)
        wanted = _KINDS[next(iter(kinds))]
        got = "nothing" if name not in entry else quoted(value)
        raise BadInput(f"{where}: {name}: expected {wanted}, got {got}.")
    return value


_KINDS = {
    str: "a text",
    int: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _is_place(place: Any) -> bool:
    return (
        isinstance(place, list)
        and len(place) == 2
        and isinstance(place[0], str)
        and isinstance(place[1], int)
        and not isinstance(place[1], bool)
    )


def _taken(store: Store, dataset: DatasetInfo, name: str) -> bool:
    try:
        get(store, dataset.origin_id, name)
    except NotFound:
        return False
    return True
