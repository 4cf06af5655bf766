"""The mappings of notifications as the settings want them: packaged, own and Ceilometer's."""

from collections.abc import Iterable
from pathlib import Path

import structlog

from collector.definitions import load_definitions, replaced_meters
from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.mapping import MeterMapping
from collector.service_files import texts_in
from collector.settings import CollectorSettings

log = structlog.get_logger()


def meter_mapping(settings: CollectorSettings) -> MeterMapping:
    """What makes samples; raises InvalidDefinition naming file, entry and key."""
    entries = load_definitions(own_folder(settings))
    for meter in replaced_meters(entries):
        log.info("packaged_meter_replaced", meter=meter, definitions=settings.definitions)
    if settings.meter_files:
        from collector.ceilometer_files.meters import load_meters, with_meters

        entries = with_meters(entries, load_meters(_texts(settings.meter_files)))
    return MeterMapping(entries)


def event_mapping(settings: CollectorSettings) -> EventMapping:
    """What makes events; raises InvalidDefinition naming file, entry and key."""
    rules = load_event_rules(own_folder(settings))
    if settings.event_files:
        from collector.ceilometer_files.events import load_rules

        rules = [*rules, *load_rules(_texts(settings.event_files))]
    return EventMapping(
        rules,
        drop_unmatched=settings.drop_unmatched_events,
        store_raw=frozenset(settings.store_raw),
    )


def own_folder(settings: CollectorSettings) -> Path | None:
    """The operator's folder of definition files."""
    return Path(settings.definitions) if settings.definitions else None


def _texts(places: Iterable[str]) -> list[tuple[str, str]]:
    return [text for place in places for text in texts_in(Path(place))]
