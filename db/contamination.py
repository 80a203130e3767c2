"""How far a model knew a data set's catalogue before it was asked, as the newest study of it says.

Boundary: reads stored studies of contamination; which numbers make which verdict is the engine's business
(`engine.studies.contamination_verdict`).
"""

import json
import shlex
from dataclasses import dataclass

import sqlalchemy as sa

from db import datasets, models
from db.jobs import BACKGROUND, COMPLETED
from db.schema import jobs as table
from db.store import Store

STUDY = "contamination"

VERDICTS: dict[str, str] = {
    "knows": "knows titles, and rankings may gain by it",
    "titles": "knows titles",
    "unsure": "too few titles to say",
    "none": "no sign",
    "language": "no sign in titles; uses what words mean",
    "sequences": "no sign in titles; uses the order of histories",
    "no titles": "no sign in titles; too few users to say more",
}
"""Verdict -> what stands in a narrow column."""


@dataclass(frozen=True)
class Known:
    """What a study found. `study`: its number; `sentence`: the verdict with its numbers."""

    study: int
    dataset: str
    model: str
    verdict: str
    sentence: str

    @property
    def short(self) -> str:
        """The verdict in a few words."""
        return VERDICTS.get(self.verdict, self.verdict)


def measured(store: Store, dataset: str | None = None, model: str | None = None) -> list[Known]:
    """The newest verdict for each data set and model, or for these alone, the newest first. Those of a data
    set or a model that was replaced since are left out."""
    query = sa.select(table.c.id, table.c.payload, table.c.created_at).where(
        table.c.state == COMPLETED,
        table.c.priority == BACKGROUND,  # found by the index of jobs
        table.c.kind == "study",
        table.c.payload.contains(f'"study":"{STUDY}"', autoescape=True),
    )
    with store.read() as connection:
        rows = connection.execute(query.order_by(table.c.id.desc())).all()
    if not rows:
        return []
    since = {info.name: info.created_at for info in datasets.listing(store)}
    revisions = {info.name: info.revision for info in models.listing(store)}
    found: dict[tuple[str, str], Known] = {}
    for row in rows:
        asked = json.loads(row.payload)
        pair = asked["dataset"], asked.get("model", "embedded")
        wanted = dataset in (None, pair[0]) and model in (None, pair[1])
        if pair in found or not wanted or row.created_at < since.get(pair[0], float("inf")):
            continue
        result = _result(store, row.id)
        if (result.get("model") or {}).get("revision") == revisions.get(pair[1]) and result.get("verdict"):
            found[pair] = Known(row.id, *pair, result["verdict"], result["claim"])
    return list(found.values())


def verdict(store: Store, dataset: str, model: str) -> Known | None:
    """The newest verdict for this data set and model; None where it was not measured."""
    return next(iter(measured(store, dataset, model)), None)


def line(store: Store, dataset: str, model: str) -> str:
    """What is known of it in one line of plain text, or how to measure it."""
    known = verdict(store, dataset, model)
    told = f"{known.sentence} (study {known.study})" if known else not_measured(dataset, model)
    return f"How far the model knows this catalogue: {told}"


def not_measured(dataset: str, model: str | None = None) -> str:
    """That it was not measured, and the command that does."""
    words = ["dualens", "study", STUDY, "-d", dataset, *(["-m", model] if model else [])]
    return f"not measured: {shlex.join(words)}"


def _result(store: Store, number: int) -> dict:
    with store.read() as connection:
        written = connection.execute(sa.select(table.c.result).where(table.c.id == number)).scalar()
    return json.loads(written or "{}")
