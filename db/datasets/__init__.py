"""Data sets: who bought what, in which order.

Boundary: columns of a whole data set in (`DatasetColumns`), small typed answers out. `columns` says what a
data set is and checks it, `insertion` stores one by way of `drafts`, `catalogue` lists and deletes, `people`
finds users, `reading` reads histories, windows and items.
"""

from db.datasets.catalogue import (
    DatasetInfo,
    Deleted,
    delete,
    deleted,
    fingerprint_of,
    fingerprints,
    get,
    is_simulated,
    listing,
    origin,
    purge,
    restore,
)
from db.datasets.columns import DatasetColumns
from db.datasets.drafts import sweep
from db.datasets.insertion import insert
from db.datasets.people import UserInfo, lengths, random_user, user, users
from db.datasets.reading import (
    Catalogue,
    Interaction,
    Item,
    bought,
    catalogue,
    columns,
    history,
    item_by_ids,
    item_counts,
    items,
    occurrences,
    rated_below,
    windows,
)
from db.datasets.twins import replace_report, twins

__all__ = [
    "Catalogue",
    "DatasetColumns",
    "DatasetInfo",
    "Deleted",
    "Interaction",
    "Item",
    "UserInfo",
    "bought",
    "catalogue",
    "columns",
    "delete",
    "deleted",
    "fingerprint_of",
    "fingerprints",
    "get",
    "history",
    "insert",
    "is_simulated",
    "item_by_ids",
    "item_counts",
    "items",
    "lengths",
    "listing",
    "occurrences",
    "origin",
    "purge",
    "random_user",
    "rated_below",
    "replace_report",
    "restore",
    "sweep",
    "twins",
    "user",
    "users",
    "windows",
]
