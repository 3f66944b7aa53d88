"""Runs migrations on the connection, and in the transaction, of the one who asks (``gateway.store._migrate``)."""

from alembic import context

from gateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
