"""Alembic's entry: migrations run inside the transaction the hub opened."""

from alembic import context

from hub.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
