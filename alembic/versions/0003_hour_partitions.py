"""Samples of open hours in partitions of some hours, where the database has them.

Rows there are stay where they are: PostgreSQL keeps them in the partition of all other hours, MariaDB in one that
ends two hours from now, so that new hours begin in partitions of their own.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

# No row is longer than 3.3 KB: a partition without a table for long values takes a third less time to make and to drop.
POSTGRESQL = (
    "ALTER TABLE hot RENAME TO hot_rest",
    "ALTER TABLE hot_rest ALTER vals SET STORAGE PLAIN",
    "ALTER INDEX hot_pkey RENAME TO hot_rest_pkey",
    "CREATE TABLE hot (LIKE hot_rest INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (gid, ts, rid, part))"
    " PARTITION BY RANGE (ts)",
    "ALTER TABLE hot ATTACH PARTITION hot_rest DEFAULT",
)

# The server's own clock says which hours are coming, also when an administrator runs this by hand.
MARIADB = (
    "SET @until = FLOOR(UNIX_TIMESTAMP() / 3600) + 2",
    "SET @hour = LEFT(DATE_ADD(TIMESTAMP('1970-01-01'), INTERVAL @until HOUR), 13)",
    "SET @named = CONCAT('hot_until_', REPLACE(REPLACE(@hour, '-', ''), ' ', ''))",
    "SET @step = CONCAT('ALTER TABLE hot PARTITION BY RANGE (ts) (PARTITION ', @named, ' VALUES LESS THAN (',"
    " @until * 3600000000, '), PARTITION hot_rest VALUES LESS THAN MAXVALUE)')",
    "PREPARE step FROM @step",
    "EXECUTE step",
    "DEALLOCATE PREPARE step",
)


def upgrade() -> None:
    steps = {"postgresql": POSTGRESQL, "mysql": MARIADB, "mariadb": MARIADB}
    for step in steps.get(op.get_context().dialect.name, ()):
        op.execute(step)
