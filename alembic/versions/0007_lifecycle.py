"""The lives of resources: what was learned of them, and which resources a project has.

Revision ID: 0007
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision: str = "0007"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_nopad_bin"), "mysql", "mariadb")


def identifier(length: int = 255) -> TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(mysql.VARCHAR(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def upgrade() -> None:
    op.create_table(
        "fact",
        sa.Column("resource_id", identifier(), nullable=False),
        sa.Column("id", DIGEST, nullable=False),
        sa.Column("kind", identifier(32), nullable=False),
        sa.Column("what", sa.SmallInteger(), nullable=False),
        sa.Column("evidence", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("project_id", identifier()),
        sa.Column("type", identifier()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("status", identifier()),
        sa.Column("zone", identifier()),
        sa.Column("name", identifier()),
        sa.Column("more", LONG_TEXT),
        sa.PrimaryKeyConstraint("resource_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "life",
        sa.Column("resource_id", identifier(), nullable=False),
        sa.Column("kind", identifier(32), nullable=False),
        sa.Column("project_id", identifier(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.PrimaryKeyConstraint("resource_id", "kind", "project_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_life_project", "life", ["project_id", "kind", "resource_id"])
