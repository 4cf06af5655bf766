"""What the server roles have in common, built from the settings."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from api.alarms.address import Policy
from api.alarms.delivery import DeliveryLoop
from api.alarms.evaluator import Evaluator, rules
from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import WebhookSender
from api.alarms.webhook import Signer
from cli.outlets import Configured, Receivers, outlets_of
from cli.process import Part, run_together
from cli.schema import when_ready
from cli.settings import Settings
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.lives import Lives
from collector.mappings import event_mapping, meter_mapping, own_folder
from collector.metrics import CollectorMetrics
from collector.outlets import Outlets
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from collector.sightings import Witness
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries
from storage.events import Events
from storage.samples import Samples
from storage.segments import Segments
from storage.statistics import Statistics
from storage.tiles.kept_rows import KeptRows


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Server:
    """What the server roles of one process share.

    Questions and alarms have connections of their own (`database`), so that slow ones never keep samples (`intake`,
    with its maintenance) from being stored.
    """

    settings: Settings
    database: Database
    intake: Database
    kept_rows: KeptRows
    registry: CollectorRegistry
    metrics: CollectorMetrics
    pipeline: Pipeline
    pipelines: Configured
    receivers: Receivers
    outlets: Outlets | None
    deliveries: Deliveries

    @classmethod
    def of(cls, settings: Settings) -> "Server":
        """Built, but nothing is opened yet; raises StorageError and CollectorError for unusable settings."""
        database, intake = Database(settings.database), Database(settings.database)
        registry = CollectorRegistry()
        metrics, kept_rows = CollectorMetrics(registry), KeptRows()
        pipelines = Configured.of(settings)
        receivers = Receivers.of(settings, pipelines)
        outlets = outlets_of(settings, pipelines, receivers, registry, now)
        pipeline = _pipeline(settings, intake, kept_rows, metrics, outlets)
        deliveries = Deliveries(database)
        return cls(
            settings,
            database,
            intake,
            kept_rows,
            registry,
            metrics,
            pipeline,
            pipelines,
            receivers,
            outlets,
            deliveries,
        )

    def run(self, parts: Sequence[Part], stop: threading.Event) -> int:
        """As `run_together`, and at the end every connection is closed."""
        try:
            return run_together(parts, stop)
        finally:
            self.database.dispose()
            self.intake.dispose()
            if self.outlets is not None:
                self.outlets.dispose()

    def publishers(self) -> list[Part]:
        """Who delivers to other systems, if there are any."""
        return (
            [] if self.outlets is None else [when_ready(Part("publishers", self.outlets.run), self.database)]
        )

    def signer(self) -> Signer:
        """Signs webhooks."""
        return Signer(self.deliveries, self.settings.alarms.signing_secret, now)

    def alarms(self) -> list[Part]:
        """The evaluator and the deliverer of webhooks."""
        metrics = AlarmMetrics(self.registry)
        alarms = self.settings.alarms
        evaluator = Evaluator(Alarms(self.database), rules(Statistics(self.database)), alarms, metrics, now)
        sender = WebhookSender(Policy(alarms.allow_networks), alarms.delivery_timeout)
        delivery = DeliveryLoop(self.deliveries, sender, self.signer(), metrics, now)
        return [
            when_ready(Part("evaluator", evaluator.run), self.database),
            when_ready(Part("delivery", delivery.run), self.database),
        ]


def _pipeline(
    settings: Settings,
    intake: Database,
    kept_rows: KeptRows,
    metrics: CollectorMetrics,
    owing: Outlets | None,
) -> Pipeline:
    options = settings.collector
    secret = options.telemetry_secret
    lives = load_life_rules(own_folder(options))
    return Pipeline(
        DatabasePublisher(Samples(intake, kept_rows), metrics, Events(intake)),
        meter_mapping(options),
        metrics,
        events=event_mapping(options),
        lives=Lives(LifecycleMapping(lives), Witness(lives), Segments(intake), metrics),
        owing=owing,
        batch_size=options.batch_size,
        telemetry_secret=secret.get_secret_value() if secret else None,
    )
