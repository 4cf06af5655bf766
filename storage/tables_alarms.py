"""Tables of alarms, their history and the webhooks they owe; times are microseconds since 1970, UTC.

`alarm.version` and `delivery.attempts` grow with every lease, so they fence a paused worker off.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Table

from storage.tables import Big, Blob, LongText, identifier, metadata

alarm = Table(
    "alarm",
    metadata,
    Column("alarm_id", identifier(36), primary_key=True),
    Column("version", Big, nullable=False),
    Column("name", identifier(255), nullable=False),
    Column("type", identifier(50), nullable=False),
    Column("meter", identifier(255), nullable=False),
    Column("project_id", identifier(255)),
    Column("user_id", identifier(255)),
    Column("scope_project_id", identifier(255), nullable=False),  # "" sees every project
    Column("enabled", Boolean, nullable=False),
    Column("severity", identifier(16), nullable=False),
    Column("state", identifier(32), nullable=False),
    Column("state_reason", LongText, nullable=False),
    Column("definition", LongText, nullable=False),  # JSON: description, rule, actions, time constraints
    Column("timestamp", Big, nullable=False),
    Column("state_timestamp", Big, nullable=False),
    Column("evaluated_at", Big),
    Column("due_at", Big, nullable=False),
    Index("ix_alarm_due", "due_at"),
    Index("ix_alarm_project", "project_id"),
)

alarm_change = Table(
    "alarm_change",
    metadata,
    Column("event_id", identifier(36), primary_key=True),
    Column("alarm_id", identifier(36), nullable=False),
    Column("type", identifier(32), nullable=False),
    Column("detail", LongText, nullable=False),  # JSON, as the API answers it
    Column("user_id", identifier(255)),
    Column("project_id", identifier(255)),
    Column("on_behalf_of", identifier(255)),
    Column("severity", identifier(16), nullable=False),
    Column("timestamp", Big, nullable=False),
    Index("ix_alarm_change_alarm", "alarm_id", "timestamp"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", identifier(64), primary_key=True),
    Column("alarm_id", identifier(36), nullable=False),
    Column("project_id", identifier(255), nullable=False),  # "" when the alarm has none
    Column("host", identifier(255), nullable=False),
    Column("url", LongText, nullable=False),
    Column("body", Blob, nullable=False),
    Column("created_at", Big, nullable=False),
    Column("state", identifier(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("step", Integer, nullable=False),  # position in the back-off schedule; a replay begins it again
    Column("next_attempt_at", Big, nullable=False),  # while an attempt runs: when its lease ends
    Index("ix_delivery_due", "state", "next_attempt_at"),
    Index("ix_delivery_alarm", "alarm_id", "created_at"),
)

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("delivery_id", identifier(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Big, nullable=False),
    Column("status", Integer),
    Column("error", LongText, nullable=False),
    Column("duration_ms", Integer, nullable=False),
)

secret = Table(
    "secret",
    metadata,
    Column("name", identifier(64), primary_key=True),
    Column("value", Blob, nullable=False),
    Column("created_at", Big, nullable=False),
)
