"""Alembic's entry: migrate over the connection that `db.migrations.upgrade` hands in."""

from alembic import context

from db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
