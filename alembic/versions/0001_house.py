"""The house: dimensions, hot samples, quarantine, alarms and deliveries.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

BYTES = "utf8mb4_nopad_bin"
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation=BYTES), "mysql", "mariadb")
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
SHORT_BLOB = sa.LargeBinary().with_variant(mysql.VARBINARY(4000), "mysql", "mariadb")
COUNTERS = ("turn", "project", "resource", "resource_group", "meter", "shape", "version")


def identifier(length: int) -> TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(mysql.VARCHAR(length, collation=BYTES), "mysql", "mariadb")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def binary(length: int) -> TypeEngine[bytes]:
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("alarm_id", identifier(36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("name", identifier(255), nullable=False),
        sa.Column("type", identifier(50), nullable=False),
        sa.Column("meter", identifier(255), nullable=False),
        sa.Column("project_id", identifier(255), nullable=True),
        sa.Column("user_id", identifier(255), nullable=True),
        sa.Column("scope_project_id", identifier(255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("severity", identifier(16), nullable=False),
        sa.Column("state", identifier(32), nullable=False),
        sa.Column("state_reason", LONG_TEXT, nullable=False),
        sa.Column("definition", LONG_TEXT, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("state_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id"),
    )
    op.create_index("ix_alarm_due", "alarm", ["due_at"], unique=False)
    op.create_index("ix_alarm_project", "alarm", ["project_id"], unique=False)
    op.create_table(
        "alarm_change",
        sa.Column("event_id", identifier(36), nullable=False),
        sa.Column("alarm_id", identifier(36), nullable=False),
        sa.Column("type", identifier(32), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("user_id", identifier(255), nullable=True),
        sa.Column("project_id", identifier(255), nullable=True),
        sa.Column("on_behalf_of", identifier(255), nullable=True),
        sa.Column("severity", identifier(16), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_alarm_change_alarm", "alarm_change", ["alarm_id", "timestamp"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("delivery_id", identifier(64), nullable=False),
        sa.Column("alarm_id", identifier(36), nullable=False),
        sa.Column("project_id", identifier(255), nullable=False),
        sa.Column("host", identifier(255), nullable=False),
        sa.Column("url", LONG_TEXT, nullable=False),
        sa.Column("body", BLOB, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", identifier(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("ix_delivery_alarm", "delivery", ["alarm_id", "created_at"], unique=False)
    op.create_index("ix_delivery_due", "delivery", ["state", "next_attempt_at"], unique=False)
    op.create_table(
        "delivery_attempt",
        sa.Column("delivery_id", identifier(64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", LONG_TEXT, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )
    op.create_table(
        "delta",
        sa.Column("gid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", binary(16), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.Column("recv", sa.BigInteger(), nullable=False),
        sa.Column("vals", binary(8), nullable=False),
        sa.PrimaryKeyConstraint("gid", "rid", "ts", "mid", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_delta_id", "delta", ["id"], unique=False)
    op.create_table(
        "delta_identity",
        sa.Column("id", binary(16), nullable=False),
        sa.Column("recv", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hot",
        sa.Column("gid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.Column("recv", sa.BigInteger(), nullable=False),
        sa.Column("vals", SHORT_BLOB, nullable=False),
        sa.PrimaryKeyConstraint("gid", "ts", "rid", "part"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "id_counter",
        sa.Column("name", identifier(32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "meter",
        sa.Column("mid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", identifier(255), nullable=False),
        sa.Column("type", identifier(16), nullable=False),
        sa.Column("unit", identifier(255), nullable=False),
        sa.Column("real", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mid"),
        sa.UniqueConstraint("name", "type", "unit", "real"),
    )
    op.create_table(
        "project",
        sa.Column("pid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", identifier(255), nullable=False),
        sa.PrimaryKeyConstraint("pid"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("digest", binary(16), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("origin", identifier(64), nullable=False),
        sa.Column("body", BLOB, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_quarantine_last_seen", "quarantine", ["last_seen"], unique=False)
    op.create_table(
        "resource",
        sa.Column("rid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("id", identifier(255), nullable=False),
        sa.Column("gid", sa.Integer(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rid"),
        sa.UniqueConstraint("pid", "id"),
    )
    op.create_index(op.f("ix_resource_gid"), "resource", ["gid"], unique=False)
    op.create_index(op.f("ix_resource_id"), "resource", ["id"], unique=False)
    op.create_table(
        "resource_group",
        sa.Column("gid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("used", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gid"),
    )
    op.create_index(op.f("ix_resource_group_pid"), "resource_group", ["pid"], unique=False)
    op.create_table(
        "secret",
        sa.Column("name", identifier(64), nullable=False),
        sa.Column("value", BLOB, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "series",
        sa.Column("gid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("gid", "rid", "part"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shape",
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", binary(16), nullable=False),
        sa.Column("mids", SHORT_BLOB, nullable=False),
        sa.PrimaryKeyConstraint("part"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "version",
        sa.Column("ver", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", binary(16), nullable=False),
        sa.Column("user_id", identifier(255), nullable=True),
        sa.Column("source", identifier(255), nullable=False),
        sa.Column("generation", identifier(255), nullable=True),
        sa.Column("metadata", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ver"),
        sa.UniqueConstraint("digest"),
    )

    counters = sa.table("id_counter", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in COUNTERS], multiinsert=False)
