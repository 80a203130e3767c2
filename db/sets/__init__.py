"""Named sets: demonstrations with their order, weights and locks, kept under a name of a data set.

A set was made for one user, or all users of the data set share it; either can be used for anybody. Saving
again under a name keeps what was saved before: a run names the version it used by `NAME@DIGEST`, which always
means the same demonstrations. Boundary: `records` keeps, renames and deletes sets, `diff` compares two,
`uses` finds the runs that used one.
"""

from db.sets.diff import Difference, diff
from db.sets.records import (
    Member,
    NamedSet,
    Version,
    check_free,
    delete,
    deleted,
    duplicate,
    get,
    left_out,
    listing,
    members,
    rename,
    restore,
    save,
    share,
    versions,
)
from db.sets.uses import Gain, Use, gains, uses

__all__ = [
    "Difference",
    "Gain",
    "Member",
    "NamedSet",
    "Use",
    "Version",
    "check_free",
    "delete",
    "deleted",
    "diff",
    "duplicate",
    "gains",
    "get",
    "left_out",
    "listing",
    "members",
    "rename",
    "restore",
    "save",
    "share",
    "uses",
    "versions",
]
