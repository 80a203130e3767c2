"""Effects of a run's demonstrations: each measurement is stored once, under its key, beside its run."""

import json
import time
from dataclasses import dataclass

import sqlalchemy as sa

from db.canonical import canonical_json
from db.effect_results import current
from db.runs.lasting import content
from db.schema import effects as table
from db.schema import runs as run_table
from db.store import Store


@dataclass(frozen=True)
class Effects:
    """One measurement of a run's effects. `result`: as `db.effect_results` says; `timings_ms` milliseconds by
    step."""

    effects_key: str
    run_key: str
    options: dict
    result: dict
    timings_ms: dict
    created_at: float


def save_effects(
    store: Store, key: str, effects_key: str, options: dict, result: dict, timings_ms: dict
) -> Effects:
    """Keep the effects of the run `key` under `effects_key`; the stored ones (the first that were saved)."""
    values = {
        "effects_key": effects_key,
        "run_key": key,
        "options": canonical_json(options),
        "result": canonical_json(result),
        "timings_ms": canonical_json(timings_ms),
        "created_at": time.time(),
    }
    values["content"] = content("effects", values)
    with store.write() as connection:
        connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
        row = connection.execute(sa.select(table).where(table.c.effects_key == effects_key)).one()
    return _effects(row)


def effects(store: Store, key: str) -> list[Effects]:
    """All effects of the run `key`, newest first."""
    query = sa.select(table).where(table.c.run_key == key)
    with store.read() as connection:
        rows = connection.execute(query.order_by(table.c.created_at.desc(), table.c.effects_key))
        return [_effects(row) for row in rows]


def shown_effects(store: Store, key: str, mode: str, measure: str) -> Effects | None:
    """The effects that pages show of a run, in this mode and on this measure: those with a local model beside
    them first, then those checked by leaving one out. None without any."""
    stored = [
        each
        for each in effects(store, key)
        if each.result["mode"] == mode and each.result["measure"] == measure
    ]
    checked = [each for each in stored if "proxy" in each.result]
    checked = checked or [each for each in stored if each.options.get("leave_one_out")] or stored
    return checked[-1] if checked else None


def effects_of_model(store: Store, dataset: str, model: str) -> list[tuple[str, Effects]]:
    """User and effects of every run of a model on a data set that is not deleted, newest first."""
    query = (
        sa.select(run_table.c.user_id, table)
        .join(table, table.c.run_key == run_table.c.key)
        .where(run_table.c.dataset == dataset, run_table.c.model == model, run_table.c.deleted_at.is_(None))
        .order_by(table.c.created_at.desc(), table.c.effects_key)
    )
    with store.read() as connection:
        return [(row.user_id, _effects(row)) for row in connection.execute(query)]


def find_effects(store: Store, effects_key: str) -> Effects | None:
    """The effects of this key, or None."""
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.effects_key == effects_key)).one_or_none()
    return None if row is None else _effects(row)


def _effects(row: sa.Row) -> Effects:
    fields = row._asdict()
    fields = {name: fields[name] for name in Effects.__dataclass_fields__}
    read = {name: json.loads(fields[name]) for name in ("options", "result", "timings_ms")}
    read["result"] = current(read["result"], read["options"])
    return Effects(**fields | read)
