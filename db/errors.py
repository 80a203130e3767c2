"""The errors that users see.

Each message says what happened, where (file, line, field), what was kept and what to do; the dashboard and
the command line print it unchanged. Any other exception is a bug.
"""


class DualensError(Exception):
    """Base of every error whose message is written for users."""


class NotFound(DualensError):
    """A named thing (data set, user, run, model, job) is not in the store."""


class Conflict(DualensError):
    """The name is taken by something else."""


class BadInput(DualensError):
    """An option or a request is invalid; the message names the field."""


class DataError(DualensError):
    """A file or a table of interactions cannot be read in its format."""


class ModelError(DualensError):
    """A model cannot be loaded or used."""


class OutOfMemory(DualensError):
    """The device has too little memory for what was asked."""


class Damaged(DualensError):
    """The store lacks a part, or a part of it cannot be read."""


class ReadOnly(DualensError):
    """Nothing may be written: the process was started to show what is stored."""


class StoreAway(DualensError):
    """The store cannot be used now and may be usable again by itself: away, locked, or its disk is full.

    `happened`: one sentence, with what to do. `waited`: whether somebody has waited for it in vain.
    """

    def __init__(self, happened: str, *, advice: str = "", waited: bool = False) -> None:
        super().__init__(f"{happened} {advice}".strip())
        self.happened, self.waited = happened, waited
