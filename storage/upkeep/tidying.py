"""Space that removed rows leave behind, made usable at once."""

from sqlalchemy import Table

from storage.database import Database


def tidy(database: Database, table: Table) -> None:
    """Lets PostgreSQL use the space of removed rows again; the other databases do so by themselves.

    Its own cleaning comes when a fifth of a table is gone; a day's hour tiles are all gone at once, every day. Its
    statistics are left to it: it keeps them by itself, and they take ten times as long. Whoever holds the table is not
    waited for. Raises as `Database.write` does.
    """
    if database.engine.dialect.name == "postgresql":
        database.alone(f"VACUUM (SKIP_LOCKED) {table.name}")
