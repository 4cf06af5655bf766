"""Webhooks owed: a queue of rows from which any number of senders take, and the log of every attempt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from storage import tables_alarms as tables
from storage.alarm import Attempt, Delivery, DeliveryState
from storage.alarm_rows import attempt_of, delivery_of
from storage.alarm_secrets import Secrets
from storage.database import Database
from storage.query import Scope
from storage.sample import from_microseconds, to_microseconds

DELIVERY, ATTEMPT = tables.delivery.c, tables.delivery_attempt.c

# Looked at in one go to find work for idle senders: those of crowded hosts and projects are left out before.
CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How many deliveries one sender process has under way: in all, to one host, of one project.

    `lease` is how long an attempt may take before another process may try the same delivery.
    """

    total: int = 32
    per_host: int = 2
    per_project: int = 4
    lease: timedelta = timedelta(seconds=60)


class Deliveries:
    """The webhooks of all projects; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secrets = Secrets(database)

    def lease(self, now: datetime, under_way: Sequence[Delivery], limits: Limits) -> list[Delivery]:
        """Takes what may start now, longest due first, beside what this process has under way.

        A lease counts as an attempt: `attempts` of the delivery is its number. When the process dies, the
        delivery is due again after `limits.lease`.
        """
        candidates = self._candidates(now, under_way, limits)
        if not candidates:
            return []
        ends = to_microseconds(now + limits.lease)

        def work(connection: Connection) -> list[Delivery]:
            return [
                replace(delivery, attempts=delivery.attempts + 1)
                for delivery in candidates
                if _is_leased(connection, delivery, ends)
            ]

        return self._database.write_retrying(work)

    def record(self, delivery: Delivery, attempt: Attempt) -> None:
        """Logs an attempt and what becomes of the delivery: its state, step and next attempt.

        Delivered is a fact, whoever holds the lease by now; any other outcome counts only while no later
        attempt has begun.
        """

        def work(connection: Connection) -> None:
            connection.execute(
                insert(tables.delivery_attempt).values(
                    delivery_id=attempt.delivery_id,
                    number=attempt.number,
                    at=to_microseconds(attempt.at),
                    status=attempt.status,
                    error=attempt.error,
                    duration_ms=attempt.duration_ms,
                )
            )
            statement = update(tables.delivery).where(
                DELIVERY.delivery_id == delivery.delivery_id, DELIVERY.state == "pending"
            )
            if delivery.state != "delivered":
                statement = statement.where(DELIVERY.attempts == attempt.number)
            connection.execute(
                statement.values(
                    state=delivery.state,
                    step=delivery.step,
                    next_attempt_at=to_microseconds(delivery.next_attempt_at),
                )
            )

        self._database.write_retrying(work)

    def replay(self, scope: Scope, delivery_id: str, now: datetime) -> bool:
        """Makes a delivered or failed webhook due again, from the first step; False when it is neither."""
        statement = (
            update(tables.delivery)
            .where(DELIVERY.delivery_id == delivery_id, DELIVERY.state != "pending")
            .values(state="pending", step=0, next_attempt_at=to_microseconds(now))
        )
        if not scope.everything:
            statement = statement.where(DELIVERY.project_id == scope.project_id)

        def work(connection: Connection) -> bool:
            return connection.execute(statement).rowcount == 1

        return self._database.write_retrying(work)

    def find(
        self, scope: Scope, limit: int, *, alarm_id: str | None = None, state: DeliveryState | None = None
    ) -> list[Delivery]:
        """At most `limit` deliveries, newest first."""
        statement = select(tables.delivery).order_by(DELIVERY.created_at.desc(), DELIVERY.delivery_id)
        if not scope.everything:
            statement = statement.where(DELIVERY.project_id == scope.project_id)
        if alarm_id is not None:
            statement = statement.where(DELIVERY.alarm_id == alarm_id)
        if state is not None:
            statement = statement.where(DELIVERY.state == state)
        with self._database.read() as connection:
            return [delivery_of(row) for row in connection.execute(statement.limit(limit))]

    def attempts(self, scope: Scope, delivery_id: str) -> list[Attempt]:
        """Every logged attempt of a delivery, oldest first; a missing number is one whose process died."""
        statement = (
            select(tables.delivery_attempt)
            .join(tables.delivery, DELIVERY.delivery_id == ATTEMPT.delivery_id)
            .where(ATTEMPT.delivery_id == delivery_id)
            .order_by(ATTEMPT.number)
        )
        if not scope.everything:
            statement = statement.where(DELIVERY.project_id == scope.project_id)
        with self._database.read() as connection:
            return [attempt_of(row) for row in connection.execute(statement)]

    def oldest_due(self) -> datetime | None:
        """When the longest waiting delivery is or was due; None when nothing is owed."""
        statement = select(func.min(DELIVERY.next_attempt_at)).where(DELIVERY.state == "pending")
        with self._database.read() as connection:
            due_at = connection.scalar(statement)
        return None if due_at is None else from_microseconds(due_at)

    def signing_key(self, fresh: bytes, now: datetime) -> bytes:
        """The key all processes derive webhook secrets from, which becomes `fresh` when there is none yet."""
        return self._secrets.get_or_create("webhook signing", fresh, now)

    def _candidates(self, now: datetime, under_way: Sequence[Delivery], limits: Limits) -> list[Delivery]:
        hosts = Counter(one.host for one in under_way)
        projects = Counter(one.project_id for one in under_way)
        statement = (
            select(tables.delivery)
            .where(
                DELIVERY.state == "pending",
                DELIVERY.next_attempt_at <= to_microseconds(now),
                DELIVERY.host.not_in([host for host, count in hosts.items() if count >= limits.per_host]),
                DELIVERY.project_id.not_in(
                    [project or "" for project, count in projects.items() if count >= limits.per_project]
                ),
            )
            .order_by(DELIVERY.next_attempt_at, DELIVERY.delivery_id)
            .limit(CANDIDATES)
        )
        free = limits.total - len(under_way)
        chosen: list[Delivery] = []
        with self._database.read() as connection:
            found = [delivery_of(row) for row in connection.execute(statement)] if free > 0 else []
        for delivery in found:
            if hosts[delivery.host] < limits.per_host and projects[delivery.project_id] < limits.per_project:
                hosts[delivery.host] += 1
                projects[delivery.project_id] += 1
                chosen.append(delivery)
        return chosen[:free]


def _is_leased(connection: Connection, delivery: Delivery, ends: int) -> bool:
    statement = (
        update(tables.delivery)
        .where(
            DELIVERY.delivery_id == delivery.delivery_id,
            DELIVERY.state == "pending",
            DELIVERY.attempts == delivery.attempts,
        )
        .values(attempts=delivery.attempts + 1, next_attempt_at=ends)
    )
    return connection.execute(statement).rowcount == 1
