"""Long texts, stored once under the SHA-256 of their content: prompts and edited demonstrations."""

import hashlib

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from db.errors import NotFound
from db.names import clean_text
from db.schema import texts
from db.store import Store


def put(connection: Connection, text: str) -> str:
    """Store the text within the caller's write transaction, if it is not there yet; its SHA-256.

    Characters no database stores (NUL, lone surrogates) are replaced by U+FFFD first.
    """
    text = clean_text(text)
    key = hashlib.sha256(text.encode("utf-8")).hexdigest()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(texts).values(hash=key, text=text).on_conflict_do_nothing())
    return key


def get(store: Store, key: str) -> str:
    """The text of this SHA-256. Raises NotFound."""
    with store.read() as connection:
        text = connection.execute(sa.select(texts.c.text).where(texts.c.hash == key)).scalar_one_or_none()
    if text is None:
        raise NotFound(f"The store holds no text with the hash {key!r}.")
    return text
