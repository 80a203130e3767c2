"""Prompt templates: those of the project by name, and people's own, kept under the digest of their text.

A run names its template by `reference`: the name of one of the project's, else `NAME@DIGEST`, which always
means the same text. A name alone means the newest text saved under it.
"""

import hashlib
import re
import time
from dataclasses import dataclass

import sqlalchemy as sa

from db.choices import TEMPLATES
from db.errors import BadInput, NotFound
from db.names import check_name, quoted, storable
from db.schema import templates as table
from db.store import Store

LARGEST = 20_000  # characters of a text
_FILE = ".toml"  # how the name of a template's file ends, in whatever case
_SHOWN = 12  # letters of the digest in a reference
_NAME = re.compile(r"[^\W_][\w. -]*")


@dataclass(frozen=True)
class StoredTemplate:
    """A person's own template. `digest`: SHA-256 of its text; `scorings`: those it can write prompts for;
    `created_at`: unix seconds of the last time it was saved."""

    name: str
    digest: str
    text: str
    scorings: tuple[str, ...]
    created_at: float

    @property
    def reference(self) -> str:
        """What runs call it."""
        return f"{self.name}@{self.digest[:_SHOWN]}"


def is_file(given: str) -> bool:
    """Whether a file of a template is meant where one is named."""
    return given.lower().endswith(_FILE)


def check_free(name: str) -> str:
    """The name, if a person's template can have it. Raises BadInput."""
    check_name("template", name)
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"The template name {quoted(name)} holds characters that are not letters, digits, blanks, dots, "
            "dashes or underscores. Choose another."
        )
    if is_file(name):
        raise BadInput(
            f"The template name {quoted(name)} ends as a file's does. Leave out {name[-len(_FILE) :]}."
        )
    if name in TEMPLATES:
        raise BadInput(
            f"The template name {name!r} is taken by one that comes with the program. Choose another."
        )
    return name


def save(store: Store, name: str, text: str, scorings: tuple[str, ...]) -> StoredTemplate:
    """Keep a text under a name; what was kept under it before stays readable by its reference.

    scorings: as its reader found them (`engine.prompts`). Raises BadInput for an unusable name.
    """
    check_free(name)
    if not storable(text):
        raise BadInput("The template holds a NUL or half a character, which no database stores. Remove it.")
    digest = hashlib.sha256(text.encode()).hexdigest()
    values = {
        "name": name,
        "digest": digest,
        "text": text,
        "scorings": " ".join(scorings),
        "created_at": time.time(),
        "deleted_at": None,
    }
    insert = store.insert(table).values(**values)
    fresh = {each: insert.excluded[each] for each in ("scorings", "created_at", "deleted_at")}
    with store.write() as connection:
        connection.execute(insert.on_conflict_do_update(index_elements=["name", "digest"], set_=fresh))
    return StoredTemplate(name, digest, text, scorings, values["created_at"])


def listing(store: Store) -> list[StoredTemplate]:
    """The newest text under each name that was not deleted, by name."""
    query = sa.select(table).where(table.c.deleted_at.is_(None)).order_by(table.c.name, table.c.created_at)
    with store.read() as connection:
        newest = {row.name: _typed(row) for row in connection.execute(query)}
    return list(newest.values())


def get(store: Store, reference: str) -> StoredTemplate:
    """The template of a reference, deleted or not, or the newest of a name. Raises NotFound, with the names
    that there are."""
    name, at, digest = reference.rpartition("@")
    query = sa.select(table).order_by(table.c.created_at.desc()).limit(1)
    if at and digest:
        query = query.where(table.c.name == name, table.c.digest.startswith(digest, autoescape=True))
    else:
        query = query.where(table.c.name == reference, table.c.deleted_at.is_(None))
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        known = ", ".join([*TEMPLATES, *(each.name for each in listing(store))])
        raise NotFound(f"There is no prompt template {quoted(reference)}. There are: {known}.")
    return _typed(row)


def delete(store: Store, name: str) -> None:
    """Take a person's template off the list. Its runs stay readable, and saving the same text brings it back.

    Raises NotFound, and BadInput for one that comes with the program.
    """
    if name in TEMPLATES:
        raise BadInput(f"The template {name!r} comes with the program and stays.")
    kept = get(store, name)
    with store.write() as connection:
        gone = sa.update(table).where(table.c.name == kept.name, table.c.deleted_at.is_(None))
        connection.execute(gone.values(deleted_at=time.time()))


def named(store: Store, name: str) -> tuple[str, tuple[str, ...]]:
    """The reference that a name means, and the scorings that its template has. Raises NotFound."""
    if name in TEMPLATES:
        return name, TEMPLATES[name].scorings
    kept = get(store, name)
    return kept.reference, kept.scorings


def _typed(row: sa.Row) -> StoredTemplate:
    return StoredTemplate(row.name, row.digest, row.text, tuple(row.scorings.split()), row.created_at)
