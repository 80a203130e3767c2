"""The store's history, one Alembic migration per change of shape, run by `Store.open`.

A released migration is never edited; a new one is added under `versions/` and `db.schema.REVISION` moves to
it.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: most processes find their database up to date and never need it.


def upgrade(connection: Connection) -> None:
    """Bring the database of this connection to the newest shape, inside the connection's own transaction."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@cache
def known() -> tuple[str, ...]:
    """Identifiers of all migrations of this version, newest first."""
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
