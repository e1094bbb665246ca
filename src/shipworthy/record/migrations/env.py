"""What Alembic runs: the migrations, on the connection and in the transaction that it was handed."""

from alembic import context

from shipworthy.record.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
context.run_migrations()
