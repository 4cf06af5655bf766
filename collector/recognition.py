"""Definition files of any format, known by their shape: ours, Ceilometer's meters, Ceilometer's events."""

from collector.ceilometer_files.events import load_rules
from collector.ceilometer_files.meters import load_meters
from collector.definitions import Entry, entries_of
from collector.errors import InvalidDefinition
from collector.event_definitions import EventRule, event_rules_of
from collector.service_files import read_service_file, read_yaml


def meters_in(file: str, text: str) -> list[Entry]:
    """The entries about meters of a file; raises InvalidDefinition naming file, entry and key."""
    match read_yaml(file, text, object):
        case {"metric": _}:
            return load_meters([(file, text)])
        case {"notifications": _}:
            return list(entries_of(read_service_file(file, text)))
    raise InvalidDefinition(
        f"{file}: no definitions of meters: they are a list `notifications`, or in Ceilometer's files `metric`"
    )


def rules_in(file: str, text: str) -> list[EventRule]:
    """The rules about events of a file; raises InvalidDefinition naming file, entry and key."""
    match read_yaml(file, text, object):
        case list():
            return load_rules([(file, text)])
        case {"events": _}:
            return list(event_rules_of(read_service_file(file, text)))
    raise InvalidDefinition(
        f"{file}: no definitions of events: they are a list `events`, or in Ceilometer's files the file itself is one"
    )
