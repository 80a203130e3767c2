"""Data sets that came from the same files: what each holds, and a report that takes the place of another."""

import sqlalchemy as sa

from db.canonical import canonical_json
from db.datasets.catalogue import DatasetInfo, info_of
from db.datasets.columns import content
from db.datasets.reading import columns
from db.schema import datasets
from db.store import Store


def twins(store: Store, fingerprint: str) -> list[tuple[DatasetInfo, str]]:
    """The complete data sets of this fingerprint, deleted ones too, each with the digest of its rows.

    Reads all rows of those that an early version stored without a digest.
    """
    query = sa.select(datasets).where(
        datasets.c.fingerprint == fingerprint, datasets.c.writing_until.is_(None)
    )
    with store.read() as connection:
        rows = connection.execute(query.order_by(datasets.c.id)).all()
    return [(info_of(row), row.content or content(columns(store, row.id))) for row in rows]


def replace_report(store: Store, number: int, report: dict) -> None:
    """Keep this report with the data set of this id; what it holds stays as it is."""
    with store.write() as connection:
        connection.execute(
            sa.update(datasets).where(datasets.c.id == number).values(report=canonical_json(report))
        )
