"""Runs migrations on the connection of the one who asks (``gateway.store._migrate``).

In the transaction of that connection where it has one, else each in a transaction of its own.
"""

from alembic import context

from gateway.store.tables import metadata

given = context.config.attributes
context.configure(
    # a connection, or a dialect for which the statements are only written down
    **given.get("offline", {"connection": given.get("connection")}),
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    on_version_apply=given["applied"],
)
with context.begin_transaction():
    context.run_migrations()
