"""What the transformers of pipelines remember, and how far they came.

Revision ID: 0005
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision: str = "0005"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
NAME = (
    sa.String(32)
    .with_variant(mysql.VARCHAR(32, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    .with_variant(sa.String(32, collation="C"), "postgresql")
)


def upgrade() -> None:
    op.create_table(
        "pipeline_position",
        sa.Column("name", NAME, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "pipeline_state",
        sa.Column("sink", DIGEST, nullable=False),
        sa.Column("owner", DIGEST, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("waits", sa.BigInteger()),
        sa.Column("body", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("sink", "owner"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pipeline_state_waits", "pipeline_state", ["sink", "waits"])
    op.create_index("ix_pipeline_state_at", "pipeline_state", ["at"])
