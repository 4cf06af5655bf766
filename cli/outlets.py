"""The publishers of the settings with their queues, built."""

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry

from cli.settings import Settings
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Bounds, Outlets, ToAll
from collector.publishers.publisher import Publisher
from collector.publishers.urls import Around, publishers_of
from storage.database import Database
from storage.settings import age


def outlets_of(
    settings: Settings, registry: CollectorRegistry, clock: Callable[[], datetime]
) -> Outlets | None:
    """The queues of all publishers, None when there are none: then nothing is spent on them.

    They have connections of their own, so that neither what comes in nor questions wait for them. Raises
    InvalidPublisher.
    """
    publishers = configured(settings)
    if not publishers:
        return None
    options = settings.collector
    return Outlets(
        Database(settings.database),
        publishers,
        ToAll(publishers),
        OutletMetrics(registry),
        clock,
        bounds=Bounds(age(options.publisher_age), options.publisher_bytes),
    )


def configured(settings: Settings) -> list[Publisher]:
    """Every publisher of the settings, nothing opened yet; raises InvalidPublisher."""
    secret = settings.collector.telemetry_secret
    around = Around(settings.bus, secret.get_secret_value() if secret else None)
    return publishers_of([url.get_secret_value() for url in settings.collector.publishers], around)
