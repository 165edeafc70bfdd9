"""Alembic's entry: runs on the connection that `store.migrate` hands over."""

from alembic import context

from pipemend.store.migrate import ours
from pipemend.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=ours,
    transaction_per_migration=False,
)
context.run_migrations()
