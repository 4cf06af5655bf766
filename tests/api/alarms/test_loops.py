"""What the loops of alarms do when something fails that nobody foresaw."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from api.alarms.delivery import DeliveryLoop
from api.alarms.evaluator import Evaluator
from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import Result, Sender
from api.alarms.webhook import Signer
from api.settings import AlarmSettings
from storage.alarm import Alarm, Attempt, Delivery
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries, Limits
from storage.errors import DatabaseUnavailable
from tests.api.alarms.factories import delivery
from tests.api.alarms.watching import owe
from tests.api.world import empty_database
from tests.factories import NOW

Run = Callable[[threading.Event], None]
Loop = Callable[[Database, AlarmMetrics, threading.Event], Run]


class Nobody:
    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        raise AssertionError("nothing was leased")


def evaluating(database: Database, metrics: AlarmMetrics, stop: threading.Event) -> Run:
    class Broken(Alarms):
        def lease_due(self, now: datetime, interval: timedelta, limit: int) -> list[Alarm]:
            stop.set()
            raise ZeroDivisionError

    return Evaluator(Broken(database), [], AlarmSettings(), metrics, lambda: NOW).run


def delivering(database: Database, metrics: AlarmMetrics, stop: threading.Event) -> Run:
    class Broken(Deliveries):
        def lease(self, now: datetime, under_way: object, limits: Limits) -> list[Delivery]:
            stop.set()
            raise ZeroDivisionError

    deliveries = Broken(database)
    signer = Signer(deliveries, None, lambda: NOW)
    return DeliveryLoop(deliveries, Nobody(), signer, metrics, lambda: NOW).run


@pytest.mark.parametrize(
    ("loop", "event", "label"),
    [(evaluating, "evaluator_failed", "evaluator"), (delivering, "deliveries_failed", "delivery")],
)
def test_a_fault_of_a_whole_turn_is_said_with_its_traceback_and_counted(
    tmp_path: Path, loop: Loop, event: str, label: str
) -> None:
    registry, stop = CollectorRegistry(), threading.Event()
    run = loop(empty_database(tmp_path), AlarmMetrics(registry), stop)

    with capture_logs() as logged:
        run(stop)

    assert [(line["event"], line["exc_info"]) for line in logged] == [(event, True)]
    assert registry.get_sample_value("nephometer_alarm_failures_total", {"loop": label}) == 1


class Faulty:
    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        raise ZeroDivisionError


class Taking:
    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        return Result(204, "")


class Forgetful(Deliveries):
    def record(self, delivery: Delivery, attempt: Attempt) -> None:
        raise DatabaseUnavailable("away")


@pytest.mark.parametrize(
    ("sender", "kind", "event", "result"),
    [
        (Faulty(), Deliveries, "attempt_failed", "error"),
        (Taking(), Forgetful, "attempt_not_recorded", "not recorded"),
    ],
)
def test_an_attempt_whose_outcome_is_not_known_later_is_said_and_counted(
    tmp_path: Path, sender: Sender, kind: type[Deliveries], event: str, result: str
) -> None:
    registry, database = CollectorRegistry(), empty_database(tmp_path)
    owe(database, delivery())
    deliveries = kind(database)
    signer = Signer(deliveries, None, lambda: NOW)
    loop = DeliveryLoop(deliveries, sender, signer, AlarmMetrics(registry), lambda: NOW)

    with capture_logs() as logged:
        started = loop.start_due(NOW)
        assert loop.wait(10)

    assert started == 1
    assert [line["event"] for line in logged] == [event]
    assert registry.get_sample_value("nephometer_webhook_attempts_total", {"result": result}) == 1
