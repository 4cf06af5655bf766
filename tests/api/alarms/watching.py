"""An evaluator over a real store, and what became of its alarms."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from api.alarms.decision import Rule
from api.alarms.evaluator import Evaluator, rules
from api.alarms.metrics import AlarmMetrics
from api.settings import AlarmSettings
from storage.alarm import Alarm, AlarmChange, AlarmFilter, Delivery, HistoryFilter, Transition
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries
from storage.query import EVERYTHING
from storage.samples import Samples
from storage.statistics import Statistics
from tests.api.alarms.factories import alarm, change
from tests.factories import CPU_UTIL, MINUTE, NOW


def evaluator(
    database: Database,
    *,
    alarms: Alarms | None = None,
    asked: list[Rule] | None = None,
    registry: CollectorRegistry | None = None,
) -> Evaluator:
    return Evaluator(
        alarms or Alarms(database),
        asked or rules(Statistics(database)),
        AlarmSettings(interval=60),
        AlarmMetrics(registry or CollectorRegistry()),
        lambda: NOW,
    )


def measured(database: Database, *volumes: float, **changes: Any) -> None:  # Any: the fields of a sample
    """One sample a minute, the last 30 s before NOW."""
    first = NOW - timedelta(seconds=30) - (len(volumes) - 1) * MINUTE
    samples = [
        replace(CPU_UTIL, volume=volume, timestamp=first + number * MINUTE, **changes)
        for number, volume in enumerate(volumes)
    ]
    Samples(database).store(samples, received_at=NOW)


def create(database: Database, *alarms: Alarm) -> None:
    for one in alarms:
        Alarms(database).create(one, change(one))


def current(database: Database) -> list[Alarm]:
    return Alarms(database).find(AlarmFilter(EVERYTHING), 100)


def transitions(database: Database, one: Alarm) -> list[AlarmChange]:
    wanted = HistoryFilter(EVERYTHING, one.alarm_id, type="state transition")
    return Alarms(database).history(wanted, 100)


def bodies(database: Database) -> list[dict[str, object]]:
    return [json.loads(one.body) for one in Deliveries(database).find(EVERYTHING, 100)]


def owe(database: Database, *owed: Delivery) -> Deliveries:
    """A store that owes these."""
    alarms, one = Alarms(database), alarm()
    alarms.create(one, change(one))
    alarms.record(Transition(one, None, owed))
    return Deliveries(database)
