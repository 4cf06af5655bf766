"""What the server roles have in common, built from the settings."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from cli.process import Part, run_together
from cli.schema import when_ready
from cli.settings import Settings
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.lives import Lives
from collector.mappings import event_mapping, meter_mapping, own_folder
from collector.metrics import CollectorMetrics
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from collector.publishing import Owing
from collector.sightings import Witness
from storage.database import Database
from storage.events import Events
from storage.intake import Intake
from storage.segments import Segments
from storage.tiles.kept_rows import KeptRows

if TYPE_CHECKING:
    from cli.outlets import Forwarding


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
    forwarding: "Forwarding | None"

    @classmethod
    def of(cls, settings: Settings) -> "Server":
        """Built, but nothing is opened yet; raises StorageError and CollectorError for unusable settings."""
        database, intake = Database(settings.database), Database(settings.database)
        registry = CollectorRegistry()
        metrics, kept_rows = CollectorMetrics(registry), KeptRows()
        forwarding = _forwarding(settings, registry)
        owing = None if forwarding is None else forwarding.owing
        pipeline = _pipeline(settings, intake, kept_rows, metrics, owing)
        return cls(settings, database, intake, kept_rows, registry, metrics, pipeline, forwarding)

    def run(self, parts: Sequence[Part], stop: threading.Event) -> int:
        """As `run_together`, and at the end every connection is closed."""
        try:
            return run_together(parts, stop)
        finally:
            self.database.dispose()
            self.intake.dispose()
            if self.forwarding is not None:
                self.forwarding.dispose()

    def publishers(self) -> list[Part]:
        """Who delivers to other systems, and who derives what only they get, if there is anything."""
        if self.forwarding is None:
            return []
        from cli.pipelines import transformers

        outlets = self.forwarding.outlets
        delivering = [] if outlets is None else [when_ready(Part("publishers", outlets.run), self.database)]
        return [*delivering, *transformers(self, self.forwarding)]


def _forwarding(settings: Settings, registry: CollectorRegistry) -> "Forwarding | None":
    """None, and nothing of it imported, where samples and events go to the database and nowhere else."""
    options = settings.collector
    if not (options.publishers or options.pipeline or options.event_pipeline):
        return None
    from cli.outlets import Forwarding

    return Forwarding.of(settings, registry, now)


def _pipeline(
    settings: Settings,
    intake: Database,
    kept_rows: KeptRows,
    metrics: CollectorMetrics,
    owing: Owing | None,
) -> Pipeline:
    options = settings.collector
    secret = options.telemetry_secret
    lives = load_life_rules(own_folder(options))
    return Pipeline(
        DatabasePublisher(Intake(intake, kept_rows), metrics, Events(intake)),
        meter_mapping(options),
        metrics,
        events=event_mapping(options),
        lives=Lives(LifecycleMapping(lives), Witness(lives), Segments(intake), metrics),
        owing=owing,
        batch_size=options.batch_size,
        telemetry_secret=secret.get_secret_value() if secret else None,
    )
