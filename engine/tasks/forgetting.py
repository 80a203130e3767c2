"""Forgetting (arXiv 2403.03536): take a purchase, an item or a user out of all that is read, and find what
still knows it.

What is read is settled in `db.forgotten`. What was computed before stays as it was, so the check lists it:
runs, studies, kept indexes, tuned models, sets, demonstrations, policy files, blind comparisons, scores of
outside systems.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from db import datasets, demonstrations, forgotten, judging, models, outside, policies
from db.choices import BASELINES
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.forgotten import ITEM, PURCHASE, USER, Entry
from db.judging import Pair
from db.schema import datasets as dataset_table
from db.schema import demonstration_set_versions, demonstration_sets, jobs, optimizations, runs
from db.schema import demonstrations as demonstration_table
from db.store import Store
from engine.baselines.fitting import baseline, place
from engine.context import Engine
from engine.data import kept
from engine.progress import Report, counted, quiet

SHOWN = 20  # of each place, at most
_ROWS = 200  # runs read at once


def forget(engine: Engine, dataset: str, asked: Mapping[str, Any], report: Report = quiet) -> dict[str, Any]:
    """Forget `{kind, user, item, position}`; the list then. `position`: in the history as it is read now."""
    entry = _entry(engine.store, dataset, asked)
    return view(forgotten.forget(engine.store, dataset, entry, report))


def remember(
    engine: Engine, dataset: str, keys: Sequence[Sequence[Any]] | None, report: Report = quiet
) -> dict[str, Any]:
    """Undo these, by their keys, or all; the list then."""
    wanted = None if keys is None else [tuple(key) for key in keys]
    return view(forgotten.remember(engine.store, dataset, wanted, report))  # type: ignore[arg-type]


def listed(engine: Engine, dataset: str) -> dict[str, Any]:
    """What is forgotten of a data set. Raises NotFound."""
    return view(datasets.get(engine.store, dataset))


def view(info: DatasetInfo) -> dict[str, Any]:
    """What is forgotten of a data set, as JSON."""
    return {
        "dataset": info.name,
        "fingerprint": info.fingerprint,
        "forgotten": [
            {**entry.to_json(), "key": list(entry.key), "words": entry.words}
            for entry in forgotten.entries(info)
        ],
    }


def check(engine: Engine, dataset: str, report: Report = quiet) -> dict[str, Any]:
    """Every place that still knows what is forgotten: `places`, each with `place`, `count`, `examples` and
    what to do (`advice`). Empty where nothing does."""
    store = engine.store
    info = datasets.get(store, dataset)
    told = forgotten.entries(info)
    places = []
    for n, (name, (look, advice)) in enumerate(PLACES.items()):
        report(n / len(PLACES), name)
        found = list(dict.fromkeys(look(_Forgotten(engine, info, told)))) if told else []
        if found:
            places.append({"place": name, "count": len(found), "examples": found[:SHOWN], "advice": advice})
    return {**view(info), "places": places}


def _entry(store: Store, dataset: str, asked: Mapping[str, Any]) -> Entry:
    kind, user, item = asked.get("kind"), asked.get("user"), asked.get("item")
    if kind == PURCHASE and user and item:
        return forgotten.purchase(store, dataset, user, item, asked.get("position"))
    if kind == ITEM and item:
        return forgotten.item(store, dataset, item)
    if kind == USER and user:
        return forgotten.user(store, dataset, user)
    raise BadInput("Name what is to be forgotten: a user and an item they bought, an item, or a user.")


class _Forgotten(NamedTuple):
    """What is looked for, and where."""

    engine: Engine
    info: DatasetInfo
    told: Sequence[Entry]


def _runs(of: _Forgotten) -> Iterator[str]:
    """Keys of stored runs that show it."""
    asked = sa.select(runs.c.key, runs.c.user_id, runs.c.result).where(runs.c.dataset == of.info.name)
    for entry in of.told:
        named = runs.c.result.contains(json.dumps(entry.item or entry.user), autoescape=True)
        query = asked.where(sa.or_(named, runs.c.user_id == (entry.user or "")))
        with of.engine.store.read() as connection:
            for part in connection.execute(query).partitions(_ROWS):
                yield from (row.key for row in part if _shows(json.loads(row.result), row.user_id, entry))


def _shows(result: Mapping[str, Any], user: str, entry: Entry) -> bool:
    """Whether a run's result shows an entry, which it did not know to be forgotten."""
    if list(entry.key) in [list(Entry(**each).key) for each in result.get("forgotten", ())]:
        return False
    own = [row.get("item") for row in (*result.get("history", ()), result.get("target") or {})]
    shown = [
        (str(demo.get("user", "")).split(", "), [row["item"] for row in (*demo["history"], demo["answer"])])
        for demo in result.get("demonstrations", ())
    ]
    if entry.kind == USER:
        return user == entry.user or any(entry.user in users for users, _ in shown)
    if entry.kind == ITEM:
        listed = [row.get("item") for row in result.get("items", ())]
        return entry.item in (*own, *listed, *(item for _, items in shown for item in items))
    if user == entry.user and entry.item in own:
        return True
    return any(entry.user in users and entry.item in items for users, items in shown)


def _demonstrations(of: _Forgotten) -> Iterator[str]:
    """Ids of stored demonstrations that show it, those written by hand among them."""
    yield from _showing(of)


def _showing(of: _Forgotten) -> list[str]:
    table = demonstration_table
    query = sa.select(table.c.id).where(table.c.dataset_id == of.info.origin_id).order_by(table.c.id)
    with of.engine.store.read() as connection:
        ids = list(connection.execute(query).scalars())
    stored = demonstrations.get_many(of.engine.store, ids, of.info.id)
    return sorted(forgotten.showing(of.engine.store, of.info, stored.values()))


def _sets(of: _Forgotten) -> Iterator[str]:
    """Versions of named sets that hold such a demonstration."""
    shown, table = set(_showing(of)), demonstration_set_versions
    query = (
        sa.select(demonstration_sets.c.name, table.c.digest, table.c.demonstrations)
        .join(table)
        .where(demonstration_sets.c.dataset_id == of.info.origin_id)
    )
    with of.engine.store.read() as connection:
        for row in connection.execute(query):
            if shown & {each["id"] for each in json.loads(row.demonstrations)}:
                yield f"{row.name}@{row.digest}"


def _studies(of: _Forgotten) -> Iterator[str]:
    """Finished studies and tunings of the data set that began before."""
    first = max(entry.at for entry in of.told)
    query = sa.select(jobs.c.id, jobs.c.kind, jobs.c.payload).where(
        jobs.c.kind.in_(("study", "tune")), jobs.c.result.is_not(None), jobs.c.created_at < first
    )
    with of.engine.store.read() as connection:
        for row in connection.execute(query):
            if json.loads(row.payload).get("dataset") == of.info.name:
                yield f"{row.kind} {row.id}"


def _optimizations(of: _Forgotten) -> Iterator[str]:
    """Kept results of the optimizer and of pools; they are not served any more."""
    known = [number for number, _ in _knowing(of)]
    query = sa.select(optimizations.c.key).where(optimizations.c.dataset_id.in_(known))
    with of.engine.store.read() as connection:
        yield from connection.execute(query.order_by(optimizations.c.key)).scalars()


def _indexes(of: _Forgotten) -> Iterator[str]:
    """Files of indexes and of trained recommenders."""
    for number, fingerprint in _knowing(of):
        folder = kept.folder_of(of.engine.settings, fingerprint)
        yield from (str(path) for path in sorted(folder.glob("*.safetensors")))
        other = datasets.DatasetInfo(**{**vars(of.info), "fingerprint": fingerprint, "id": number})
        trained = [name for name in BASELINES if baseline(name).LEARNS == "once"]
        for path in (
            place(of.engine.settings, other, name, to) for name in trained for to in ("test", "probe")
        ):
            if path.exists():
                yield str(path)


def _models(of: _Forgotten) -> Iterator[str]:
    """Models that were tuned on data with it."""
    knowing = {fingerprint for _, fingerprint in _knowing(of)}
    for model in models.listing(of.engine.store):
        if model.endpoint is None and _trained_on(Path(model.source)) in knowing:
            yield model.name


def _trained_on(folder: Path) -> str | None:
    """The fingerprint of the data that a model's recipe names."""
    try:
        recipe = json.loads((folder / "RECIPE.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return recipe.get("data_fingerprint") if isinstance(recipe, dict) else None


def _policies(of: _Forgotten) -> Iterator[str]:
    """Policy files that were written with it: their fixed demonstrations show it."""
    stored = set(_showing(of))
    for written in policies.written(of.engine.store, of.info.name):
        shown = written.policy.demonstrations or ()
        items = {each.item for demo in shown for each in (*demo.history, demo.answer)}
        if {demo.id for demo in shown} & stored or items & {e.item for e in of.told if e.kind == ITEM}:
            yield f"{written.digest[:12]} ({written.policy.strategy}, k {written.policy.k})"


def _judged(of: _Forgotten) -> Iterator[str]:
    """Blind comparisons whose pairs show it, the deleted ones among them."""
    store = of.engine.store
    for found in (*judging.listing(store), *judging.deleted(store)):
        pairs = [pair for pair in judging.pairs(store, found) if pair.dataset == of.info.name]
        if any(_in_pair(pair, entry) for pair in pairs for entry in of.told):
            yield f"{found.id} ({found.name})"


def _in_pair(pair: Pair, entry: Entry) -> bool:
    """Whether what judges see shows an entry; histories and targets are kept as titles."""
    if entry.kind == USER:
        return pair.user == entry.user
    own = entry.title in (*pair.history, pair.target)
    if entry.kind == PURCHASE:
        return pair.user == entry.user and own
    return own or any(entry.item == item for listed in pair.lists for item, _ in listed.items)


def _outside(of: _Forgotten) -> Iterator[str]:
    """Outside systems that were scored before: the exported lists and histories showed it."""
    first = max(entry.at for entry in of.told)
    for system in outside.listing(of.engine.store, of.info):
        if system.created_at < first:
            yield f"{system.name} ({system.lists.words})"


def _rows(of: _Forgotten) -> Iterator[str]:
    """The rows as imported, from which undoing brings it back."""
    yield f"{of.info.name}, as imported: {counted(len(of.told), 'thing')} forgotten"


def _knowing(of: _Forgotten) -> list[tuple[int, str]]:
    """Id and fingerprint of the data set as imported and of those layers that know any of it."""
    columns = (dataset_table.c.id, dataset_table.c.fingerprint, dataset_table.c.report)
    either = sa.or_(dataset_table.c.id == of.info.origin_id, dataset_table.c.layer_of == of.info.origin_id)
    gone = {entry.key for entry in of.told}
    with of.engine.store.read() as connection:
        rows = connection.execute(sa.select(*columns).where(either)).all()
    layers = [(row, json.loads(row.report).get("forgotten", {}).get("entries", [])) for row in rows]
    return [
        (row.id, row.fingerprint) for row, entries in layers if gone - {Entry(**each).key for each in entries}
    ]


Look = Callable[[_Forgotten], Iterator[str]]
PLACES: dict[str, tuple[Look, str]] = {
    "stored runs": (
        _runs,
        "They stay as they were computed and are not served for new requests. Delete them on Runs.",
    ),
    "demonstrations": (_demonstrations, "Runs refuse them. They are not shown in pools any more."),
    "named sets": (
        _sets,
        "Runs leave such demonstrations out of them. Save the set again without.",
    ),
    "studies and tunings": (_studies, "Their numbers are of data with it. Run them again."),
    "kept results of the optimizer": (_optimizations, "They are not served any more."),
    "kept indexes and trained recommenders": (
        _indexes,
        "They are not read any more; undoing reads them again. Delete the files to remove them.",
    ),
    "tuned models": (_models, "Weights cannot forget. Tune the model again and remove this one."),
    "blind comparisons": (
        _judged,
        "They keep what judges were shown, also when deleted. Do not send their links on.",
    ),
    "outside systems": (
        _outside,
        "Exported lists showed it. Export and score them again, or remove the scores with `lists forget`.",
    ),
    "policy files": (_policies, "Write them again and replace them where they are used."),
    "the data set as imported": (
        _rows,
        "Kept so that this can be undone. To remove it for good, delete the data set and import it without.",
    ),
}
"""Place -> what looks there, and what to do about what it finds."""
