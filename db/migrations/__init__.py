"""The store's history, one Alembic migration per change of shape, run by `Store.open`.

A released migration is never edited; a new one is added under `versions/` and `db.schema.REVISION` moves to
it.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection


def upgrade(connection: Connection) -> None:
    """Bring the database of this connection to the newest shape, inside the connection's own transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@cache
def known() -> tuple[str, ...]:
    """Identifiers of all migrations of this version, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
