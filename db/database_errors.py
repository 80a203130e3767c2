"""What a database's error means for a person: what happened, what to do, and whether it passes by itself."""

import re
from typing import NamedTuple

from db.errors import BadInput, Damaged, DualensError, StoreAway


class Cause(NamedTuple):
    """One kind of error. `says`: a pattern of the database's message, in lower case."""

    says: str
    happened: str
    remedy: str
    passes: bool = False
    damage: bool = False


_RIGHTS = "Check its permissions, or set DUALENS_HOME to a folder you may write to."
_RESTORE = "`dualens check` says what is affected, `dualens restore FILE` reads a backup."
_CAUSES = (  # the first that fits
    Cause(
        r"not a database",
        "is not a Dualens database",
        "Move that file away, or set DUALENS_HOME to another folder.",
    ),
    Cause("already exists", "holds tables of another program", "Give Dualens a database of its own."),
    Cause("malformed|could not decode", "is damaged", _RESTORE, damage=True),
    Cause(
        r"no such (table|column)|(relation|column) .* does not exist",
        "lacks a part that every Dualens database has",
        _RESTORE,
        damage=True,
    ),
    Cause(
        r"is full|no space left|could not (extend|write to) file|disk full",
        "has no room left on its disk",
        "Free some space.",
        passes=True,
    ),
    Cause("disk i/o error", "cannot be read or written", "Check the disk.", passes=True),
    Cause("readonly|read-only", "is read-only", _RIGHTS),
    Cause("unable to open", "cannot be opened", "Check that its folder exists and that you may write to it."),
    Cause(
        r"locked|deadlock|could not serialize",
        "is busy: another process holds its lock",
        "It can be used when that has finished.",
        passes=True,
    ),
    Cause(
        r"starting up|shutting down|recovery mode|too many (clients|connections)|terminating connection"
        r"|remaining connection slots|cannot connect now",
        "cannot be reached: its server restarts or is full",
        "It is tried again.",
        passes=True,
    ),
    Cause(
        "fatal:",
        "cannot be reached: its server refuses",
        "Check DUALENS_DATABASE_URL: user, password and name of the database.",
    ),
    Cause(
        "connection|could not translate host name|timeout expired",
        "cannot be reached",
        "Check that the server runs and that DUALENS_DATABASE_URL is right.",
        passes=True,
    ),
)


def explained(cause: BaseException | None, where: str, *, disk_full: bool = False) -> DualensError:
    """The error for a person. `where`: the database; `disk_full`: its disk has hardly a byte left."""
    said = " ".join(str(cause).split())
    lower = said.lower()
    if "nul (0x00)" in lower:
        return BadInput(
            "The text holds a NUL character and can be neither stored nor found. Nothing was changed."
        )
    if "out of range" in lower:
        return too_large()
    found = next((cause for cause in _CAUSES if re.search(cause.says, lower)), None)
    if disk_full and found and re.search(found.says, "disk i/o error unable to open"):
        found = next(cause for cause in _CAUSES if "is full" in cause.says)  # SQLite has no word for it there
    if found is None:
        return DualensError(f"The database {where} refused: {said}. Nothing was changed.")
    happened = f"The database {where} {found.happened} ({said})."
    if found.passes:
        return StoreAway(f"{happened} {found.remedy}")
    kind = Damaged if found.damage else DualensError
    return kind(f"{happened} Nothing was changed. {found.remedy}")


def too_large() -> BadInput:
    """The error for a number that no column can hold."""
    return BadInput("A number is too large for the store (at most 9,223,372,036,854,775,807). Correct it.")
