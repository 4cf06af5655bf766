"""Events, their traits and what they name.

Revision ID: 0004
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision: str = "0004"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None

BYTES = "utf8mb4_nopad_bin"
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation=BYTES), "mysql", "mariadb")
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
NAME = (
    sa.String(255)
    .with_variant(mysql.VARCHAR(255, collation=BYTES), "mysql", "mariadb")
    .with_variant(sa.String(255, collation="C"), "postgresql")
)


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("k", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("m", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("shape", sa.BigInteger(), nullable=False),
        sa.Column("recv", sa.BigInteger(), nullable=False),
        sa.Column("body", BLOB, nullable=False),
        sa.Column("payload", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("ts", "k"),
    )
    op.create_index("ux_event_message", "event", ["m", "k"], unique=True)
    op.create_index("ix_event_kind", "event", ["kind", "ts", "k"], unique=False)
    op.create_index("ix_event_owner", "event", ["owner", "ts", "k"], unique=False)
    op.create_table(
        "event_facet",
        sa.Column("h", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("k", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("h", "ts", "k"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_shape",
        sa.Column("shape", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=False),
        sa.Column("event_type", NAME, nullable=False),
        sa.Column("traits", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("shape"),
    )
    if op.get_context().dialect.name == "postgresql":  # it is compressed already
        op.execute("ALTER TABLE event ALTER payload SET STORAGE EXTERNAL")
