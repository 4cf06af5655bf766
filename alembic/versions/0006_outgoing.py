"""What is owed to other systems, and how each of them fares.

Revision ID: 0006
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision: str = "0006"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_nopad_bin"), "mysql", "mariadb")


def identifier(length: int) -> TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(mysql.VARCHAR(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def upgrade() -> None:
    op.create_table(
        "outgoing",
        sa.Column("outlet", DIGEST, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", DIGEST, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("kind", identifier(16), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", LONG_TEXT),
        sa.Column("body", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("outlet", "at", "id"),
    )
    op.create_index("ix_outgoing_waiting", "outgoing", ["outlet", "state", "at", "size"])
    op.create_table(
        "outlet",
        sa.Column("outlet", DIGEST, nullable=False),
        sa.Column("name", LONG_TEXT, nullable=False),
        sa.Column("error", LONG_TEXT),
        sa.Column("failing_since", sa.BigInteger()),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("outlet"),
    )
