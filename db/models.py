"""Registered models: a name for a folder or a hub id, with what its configuration says.

A removed model keeps its row in the bin until it is restored or purged, or its name is registered again.

Boundary: descriptions only; nothing here opens a model or touches its files.
"""

import difflib
import json
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from db import endpoints
from db.canonical import canonical_json
from db.choices import SCORINGS
from db.endpoints import Endpoint
from db.errors import BadInput, Conflict, NotFound
from db.names import check_name, quoted
from db.schema import models as table
from db.store import Store

FOLDER, LOADING = "folder_broken", "loading_failed"
"""Where a model's details say what is wrong with it: its folder, or how loading it ended the last time."""


@dataclass(frozen=True)
class ModelInfo:
    """One model. `revision` changes with its weights; `context_length` counts tokens."""

    name: str
    source: str
    revision: str
    architecture: str
    parameters: int
    context_length: int
    details: dict = field(default_factory=dict)
    created_at: float = 0.0

    @property
    def scoring(self) -> str:
        """The scoring its recipe names; without one, titles minus their prior (`calibrated`)."""
        return self.details.get("scoring", "calibrated")

    @property
    def endpoint(self) -> Endpoint | None:
        """How its server is asked, for a model behind an endpoint; None for one whose weights are here."""
        return endpoints.read(self.details)

    @property
    def chats(self) -> bool | None:
        """Whether it has a chat template here, or an endpoint that answers in chats; None where it was
        registered before that was noted."""
        if (endpoint := self.endpoint) is not None:
            return bool(endpoint.scorings_in("chat"))
        return self.details.get("chat")

    def turns_for(self, asked: str) -> str:
        """How demonstrations stand in its prompts, a name of TURNS: as asked for, or where the request says
        auto as turns of a conversation if it was registered as a model whose chat template writes them."""
        if asked != "auto":
            return asked
        return "chat" if self.details.get("turns") and self.endpoint is None else "one"

    @property
    def broken(self) -> str:
        """Why it cannot be used any more, in the engine's words; empty while nothing is known against it."""
        return self.details.get(FOLDER) or self.details.get(LOADING) or ""

    @property
    def trouble(self) -> str:
        """The same as a sentence with what to do, for pages and commands; empty too."""
        if not self.broken:
            return ""
        return f"The model {self.name!r} is broken: {self.broken} Mend its folder, or use another model."

    @property
    def scorings(self) -> tuple[str, ...]:
        """Every scoring it can be ranked by."""
        return self.scorings_in("one")

    def scorings_in(self, turns: str) -> tuple[str, ...]:
        """Those it can be ranked by with demonstrations in one message or as turns. Free text is for
        endpoints."""
        if (endpoint := self.endpoint) is not None:
            return endpoint.scorings_in(turns)
        return tuple(name for name in SCORINGS if name not in ("auto", "free"))

    def scoring_for(self, asked: str) -> str:
        """The way of scoring a request means: its own, or where it says auto the model's.

        Raises BadInput for free text of a model whose likelihoods can be had.
        """
        if asked == "free" and self.endpoint is None:
            raise BadInput(
                f"scoring: free is for models behind an endpoint that give no likelihoods. {self.name!r} is "
                "here and gives them: choose another, or let it write with `recommend --free`."
            )
        return self.scoring if asked == "auto" else asked


def register(store: Store, model: ModelInfo) -> ModelInfo:
    """Store the model under its name and return it with its time of registration.

    Registering the same source again refreshes what is known of it (its weights may have changed). Raises
    Conflict where the name stands for another source, BadInput for an unusable name.
    """
    check_name("model", model.name)
    values = {**vars(model), "details": canonical_json(model.details), "created_at": time.time()}
    with store.write() as connection:
        connection.execute(sa.delete(table).where(table.c.name == model.name, _IN_BIN))
        insert = store.insert(table).values(**values)
        fresh = {
            name: insert.excluded[name] for name in values if name not in ("name", "source", "created_at")
        }
        statement = insert.on_conflict_do_update(
            index_elements=["name"], set_=fresh, where=table.c.source == model.source
        )
        connection.execute(statement)
        row = connection.execute(sa.select(table).where(table.c.name == model.name)).one()
    if row.source != model.source:
        raise _taken(row)
    return _typed(row)


def note(store: Store, model: ModelInfo, where: str, why: str) -> None:
    """Note what is wrong with a model (`where`: `FOLDER` or `LOADING`); an empty `why` takes the note back.

    Nothing is written where that is noted already, or where the model was registered anew meanwhile.
    """
    details = {**model.details, where: why} if why else without_notes(model.details, where)
    if details == model.details:
        return
    same = (table.c.name == model.name) & (table.c.details == canonical_json(model.details))
    with store.write() as connection:
        connection.execute(sa.update(table).where(same).values(details=canonical_json(details)))


def without_notes(details: dict, *where: str) -> dict:
    """A model's details without these notes; without any, if none is named."""
    return {name: value for name, value in details.items() if name not in (where or (FOLDER, LOADING))}


def check_free(store: Store, name: str, source: str) -> None:
    """Raises what `register` would raise for this name and source, before time is spent on the model."""
    check_name("model", name)
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.name == name, _KNOWN)).one_or_none()
    if row is not None and row.source != source:
        raise _taken(row)


def _taken(row: sa.Row) -> Conflict:
    return Conflict(
        f"The name {row.name!r} is taken by the model {row.source}. That one is kept. Give another name, or "
        "delete it first."
    )


_IN_BIN = table.c.deleted_at.is_not(None)
_KNOWN = table.c.deleted_at.is_(None)


def get(store: Store, name: str) -> ModelInfo:
    """The model of this name. Raises Removed where it is in the bin, else NotFound, naming near matches."""
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.name == name, _KNOWN)).one_or_none()
        if row is None and in_bin(connection, name):
            raise Removed(
                f"The model {quoted(name)} was removed. It is in the bin: restore it in the Library, or "
                "register it again."
            )
        if row is None:
            raise _not_found(list(connection.execute(sa.select(table.c.name).where(_KNOWN)).scalars()), name)
    return _typed(row)


class Removed(NotFound):
    """A model of this name lies in the bin."""


def in_bin(connection: sa.Connection, name: str) -> bool:
    """Whether a removed model of this name can be restored."""
    return (
        connection.execute(sa.select(table.c.name).where(table.c.name == name, _IN_BIN)).first() is not None
    )


def listing(store: Store) -> list[ModelInfo]:
    """All registered models, by name."""
    with store.read() as connection:
        rows = connection.execute(sa.select(table).where(_KNOWN).order_by(table.c.name))
        return [_typed(row) for row in rows]


@dataclass(frozen=True)
class Deleted:
    """A model in the bin. `deleted_at`: unix seconds."""

    info: ModelInfo
    deleted_at: float


def deleted(store: Store) -> list[Deleted]:
    """Removed models that can be restored, the one removed last first."""
    with store.read() as connection:
        rows = connection.execute(sa.select(table).where(_IN_BIN).order_by(table.c.deleted_at.desc()))
        return [Deleted(_typed(row), row.deleted_at) for row in rows]


def delete(store: Store, name: str) -> ModelInfo:
    """Move the model to the bin and return it; no file is touched, and its runs stay. Raises NotFound."""
    model = get(store, name)
    with store.write() as connection:
        gone = sa.update(table).where(table.c.name == name, _KNOWN)
        connection.execute(gone.values(deleted_at=time.time()))
    return model


def restore(store: Store, name: str) -> ModelInfo:
    """Take the model of this name out of the bin. Raises NotFound."""
    back = sa.update(table).where(table.c.name == name, _IN_BIN).values(deleted_at=None).returning(table)
    with store.write() as connection:
        return _typed(_in_bin(connection.execute(back).one_or_none()))


def purge(store: Store, name: str) -> ModelInfo:
    """Forget the model of this name in the bin and return what it was. Raises NotFound."""
    gone = sa.delete(table).where(table.c.name == name, _IN_BIN).returning(table)
    with store.write() as connection:
        return _typed(_in_bin(connection.execute(gone).one_or_none()))


def _in_bin(row: sa.Row | None) -> sa.Row:
    if row is None:
        raise NotFound("That model is no longer in the bin: it was restored or removed. Nothing was changed.")
    return row


def _typed(row: sa.Row) -> ModelInfo:
    fields = {name: value for name, value in row._asdict().items() if name != "deleted_at"}
    return ModelInfo(**{**fields, "details": json.loads(row.details)})


def _not_found(names: list[str], name: str) -> NotFound:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or sorted(names)[:10]
    there = "There are: " + ", ".join(map(repr, near)) + "." if near else "No model is registered yet."
    return NotFound(f"No model is registered as {quoted(name)}. {there}")
