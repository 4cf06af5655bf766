"""The API over a real SQLite store, with three callers of project A, one of project B, and the two big roles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from api.alarms.webhook import Signer
from api.app import create_app
from api.auth import authenticator
from api.dependencies import Services
from api.settings import AlarmSettings, ApiSettings, AuthSettings
from api.watch import Check, Watch
from collector.mapping import MeterMapping
from collector.metrics import CollectorMetrics
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries
from storage.event_search import EventSearch
from storage.events import Events
from storage.resources import Resources
from storage.sample import Sample
from storage.samples import Samples
from storage.segments import Segments
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from storage.upkeep.retention import kept
from tests.databases import sqlite_with_schema
from tests.factories import MINUTE, NOW, sample

Params = list[tuple[str, str | int | float | bool | None]]  # as the client's type has it

TOKENS = AuthSettings.model_validate(
    {
        "mode": "token",
        "tokens": [
            {"token": "reader-a", "project_id": "project-a", "user_id": "user-r", "roles": ["reader"]},
            {"token": "member-a", "project_id": "project-a", "user_id": "user-a", "roles": ["member"]},
            {"token": "member-b", "project_id": "project-b", "user_id": "user-b", "roles": ["member"]},
            {"token": "admin", "project_id": "project-admin", "user_id": "root", "roles": ["admin"]},
            {"token": "service", "project_id": "services", "user_id": "agent", "roles": ["service"]},
        ],
    }
)


@dataclass
class World:
    """An application, its store, and a client for every caller."""

    database: Database
    settings: ApiSettings = field(default_factory=ApiSettings)
    auth: AuthSettings = TOKENS
    readiness: tuple[Check, ...] = ()
    url: str = "http://testserver"
    replaced: dict[str, Any] = field(default_factory=dict)  # Any: stubs in place of services

    def __post_init__(self) -> None:
        self.samples = Samples(self.database)
        self.events = Events(self.database)
        self.segments = Segments(self.database)
        registry = CollectorRegistry()
        metrics = CollectorMetrics(registry)
        pipeline = Pipeline(DatabasePublisher(self.samples, metrics, self.events), MeterMapping(()), metrics)
        deliveries = Deliveries(self.database)
        parts: dict[str, Any] = {  # Any: the fields of Services
            "samples": self.samples,
            "statistics": Statistics(self.database),
            "resources": Resources(self.database),
            "events": EventSearch(self.database),
            "segments": self.segments,
            "alarms": Alarms(self.database),
            "deliveries": deliveries,
            "signer": Signer(deliveries, None, lambda: NOW),
            "pipeline": pipeline,
            "auth": authenticator(self.auth),
            "watch": Watch(self.readiness),
            "settings": self.settings,
            "alarm_settings": AlarmSettings(),
            "registry": registry,
            "kept": lambda: kept(self.database),
        }
        self.app: FastAPI = create_app(Services(**(parts | self.replaced)))

    def client(self, token: str | None = "admin", **headers: str) -> TestClient:
        """A client that sends this token."""
        sent = headers | ({"X-Auth-Token": token} if token else {})
        return TestClient(self.app, self.url, headers=sent, raise_server_exceptions=False)

    def keep(self, samples: Sequence[Sample]) -> None:
        """Stores samples as if they had arrived at `NOW`."""
        self.samples.store(samples, received_at=NOW)


def empty_database(folder: Path) -> Database:
    """An SQLite database with the schema and nothing in it."""
    return Database(DatabaseSettings(url=sqlite_with_schema(folder)))


def fault(answer: Any) -> str:  # Any: httpx2's response
    """The faultstring of a refused request."""
    text: str = answer.json()["error_message"]["faultstring"]
    return text


def conditions(*triples: tuple[str, str, str] | tuple[str, str, str, str]) -> Params:
    """Query parameters of (field, op, value[, type]) conditions, in the order the real client sends them."""
    rows = [(*triple, "")[:4] for triple in triples]
    return [
        *(("q.field", row[0]) for row in rows),
        *(("q.op", row[1]) for row in rows),
        *(("q.type", row[3]) for row in rows),
        *(("q.value", row[2]) for row in rows),
    ]


def gauge(minute: float, volume: float, **changes: object) -> Sample:
    """A sample of gauge `m`, so many minutes after `NOW`, with changes."""
    return sample(
        meter="m", type="gauge", unit="x", volume=volume, timestamp=NOW + minute * MINUTE, **changes
    )
