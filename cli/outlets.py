"""The publishers of the settings and of pipelines, with their queues, built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from cli.settings import Settings
from collector.errors import InvalidPublisher
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Bounds, Outlets
from collector.pipelines.files import Pipelines, read_event_pipelines, read_pipelines
from collector.pipelines.lateness import Latecomers
from collector.pipelines.routing import ByPipeline, urls_of
from collector.publishers.publisher import Publisher
from collector.publishers.urls import Around, publisher_of, publishers_of
from collector.publishing import Owing
from storage.database import Database
from storage.outgoing import Kind
from storage.settings import age
from storage.transforming import Transforming

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Configured:
    """The pipelines of samples and of events; None: all go to the database and to every publisher of the settings."""

    samples: Pipelines | None
    events: Pipelines | None

    @classmethod
    def of(cls, settings: Settings) -> "Configured":
        """Read from the files the settings name; raises InvalidDefinition."""
        options = settings.collector
        samples = (
            read_pipelines(Path(options.pipeline), cycle_s=options.pipeline_cycle)
            if options.pipeline
            else None
        )
        events = read_event_pipelines(Path(options.event_pipeline)) if options.event_pipeline else None
        return cls(samples, events)

    def tell_remarks(self) -> None:
        """Says in the log what in these files has no meaning here."""
        for one in (self.samples, self.events):
            for remark in one.remarks if one else ():
                log.warning("pipeline_remark", remark=remark)


@dataclass(frozen=True, slots=True)
class Receivers:
    """All publishers, nothing opened yet: those that get `everything`, and all; `names` by URL of those of sinks."""

    everybody: tuple[Publisher, ...]
    all: tuple[Publisher, ...]
    names: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, pipelines: Configured) -> "Receivers":
        """Those of the settings and of the files; raises InvalidPublisher."""
        secret = settings.collector.telemetry_secret
        around = Around(settings.bus, secret.get_secret_value() if secret else None)
        everybody = publishers_of([url.get_secret_value() for url in settings.collector.publishers], around)
        found = {one.name: one for one in everybody}
        names = {}
        kinds: dict[Kind, list[str]] = {
            "samples": urls_of(pipelines.samples),
            "events": urls_of(pipelines.events),
        }
        for kind, url in ((kind, url) for kind, urls in kinds.items() for url in urls):
            try:
                one = publisher_of(url, around)
            except InvalidPublisher as error:
                raise InvalidPublisher(f"a sink of the pipelines: {error}") from error
            if kind not in one.takes:
                raise InvalidPublisher(
                    f"a sink of the pipelines: {one.name} takes no {kind}: take it out there"
                )
            names[url] = found.setdefault(one.name, one).name
        return cls(tuple(everybody), tuple(found.values()), names)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What hands samples and events on: pipelines, publishers and their queues; None: nobody to hand on to.

    `owing` is given what was stored.
    """

    pipelines: Configured
    receivers: Receivers
    outlets: Outlets | None
    owing: Owing | None
    database: Database

    @classmethod
    def of(
        cls, settings: Settings, registry: CollectorRegistry, clock: Callable[[], datetime]
    ) -> "Forwarding":
        """Nothing is opened yet; raises InvalidDefinition and InvalidPublisher.

        The queues have connections of their own, so that neither what comes in nor questions wait for them.
        """
        pipelines = Configured.of(settings)
        receivers = Receivers.of(settings, pipelines)
        options, database, outlets = settings.collector, Database(settings.database), None
        if receivers.all:
            outlets = Outlets(
                database,
                receivers.all,
                ByPipeline(receivers.everybody, receivers.names, pipelines.samples, pipelines.events),
                OutletMetrics(registry),
                clock,
                bounds=Bounds(age(options.publisher_age), options.publisher_bytes),
            )
        owing: Owing | None = outlets
        if pipelines.samples is not None and pipelines.samples.has_transformers:
            settle = timedelta(seconds=options.pipeline_settle)
            reached = Transforming(database).reached
            owing = Latecomers(pipelines.samples, reached, settle, clock, registry, others=outlets)
        return cls(pipelines, receivers, outlets, owing, database)

    def dispose(self) -> None:
        """Closes what connections of its own there are."""
        self.database.dispose()


def configured(settings: Settings) -> list[Publisher]:
    """Every publisher, nothing opened yet; raises InvalidPublisher and InvalidDefinition."""
    return list(Receivers.of(settings, Configured.of(settings)).all)
