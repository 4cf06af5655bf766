"""Three layers: late rows, tiles of hours and days, hourly figures, and how far maintenance came.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
SHORT_BLOB = sa.LargeBinary().with_variant(mysql.VARBINARY(4000), "mysql", "mariadb")
WATERMARKS = ("closed", "sealed", "compacted", "raw_from", "hourly_from", "turn")


def identifier(length: int) -> TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(mysql.VARCHAR(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def key(name: str, kind: TypeEngine[int] | None = None) -> sa.Column[int]:
    return sa.Column(name, kind or sa.Integer(), autoincrement=False, nullable=False)


def create_tiles(name: str) -> None:
    op.create_table(
        name,
        key("gid"),
        key("mid"),
        key("start", sa.BigInteger()),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("slots", SHORT_BLOB, nullable=False),
        sa.Column("w", sa.Integer(), nullable=False),
        sa.Column("head", BLOB, nullable=False),
        sa.Column("raw", BLOB, nullable=False),
        sa.Column("tot", SHORT_BLOB, nullable=False),
        sa.PrimaryKeyConstraint("gid", "mid", "start"),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "postgresql":
        # Records are read by substr, which a compressed value would not allow; up to a page they stay in the row.
        op.execute(f"ALTER TABLE {name} ALTER COLUMN raw SET STORAGE EXTERNAL")
        op.execute(f"ALTER TABLE {name} SET (toast_tuple_target = 8160)")


def create_polled(name: str) -> None:
    op.create_table(
        name,
        key("gid"),
        key("rid"),
        key("ts", sa.BigInteger()),
        key("part"),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.Column("recv", sa.BigInteger(), nullable=False),
        sa.Column("vals", SHORT_BLOB, nullable=False),
        sa.PrimaryKeyConstraint("gid", "ts", "rid", "part"),
    )


def upgrade() -> None:
    create_polled("late")
    if op.get_context().dialect.name == "sqlite":
        # As a heap and an index: a batch, which has a row for each resource, touches a fifth of the pages.
        op.rename_table("hot", "hot_by_key")
        create_polled("hot")
        op.execute("INSERT INTO hot SELECT * FROM hot_by_key ORDER BY ts")
        op.drop_table("hot_by_key")
    for name in ("tile", "day_tile", "day_roll"):
        create_tiles(name)
    op.create_table(
        "seen",
        key("gid"),
        sa.Column("body", SHORT_BLOB, nullable=False),
        sa.PrimaryKeyConstraint("gid"),
        sqlite_with_rowid=False,
    )
    watermark = op.create_table(
        "watermark",
        sa.Column("name", identifier(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "lease",
        sa.Column("name", identifier(32), nullable=False),
        sa.Column("holder", identifier(64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column(
        "version", sa.Column("counters_only", sa.SmallInteger(), nullable=False, server_default="0")
    )
    op.bulk_insert(watermark, [{"name": name, "at": 0} for name in WATERMARKS])
