"""Whether there is anything old, of what is not deleted by groups: mostly there is not, and one statement tells."""

from typing import Final, NamedTuple

from sqlalchemy import Connection

from storage.reading.asking import ask
from storage.watermarks import DAY

_LOOK: Final = """
SELECT EXISTS (SELECT 1 FROM life WHERE began < %s OR ended < %s),
    EXISTS (SELECT 1 FROM event WHERE ts < %s),
    EXISTS (SELECT 1 FROM delta_identity),
    EXISTS (SELECT 1 FROM quarantine WHERE last_seen < %s),
    EXISTS (SELECT 1 FROM alarm_change WHERE alarm_change.timestamp < %s),
    EXISTS (SELECT 1 FROM delivery WHERE created_at < %s AND state <> 'pending')
"""


class OldBefore(NamedTuple):
    """Beginnings of what is kept, microseconds since 1970 UTC: of lives, of events and quarantine, and of alarms."""

    lives: int
    events: int
    history: int


class Old(NamedTuple):
    """Whether there is some of each kind that may be old; of identities whether there are any."""

    lives: bool
    events: bool
    identities: bool
    quarantine: bool
    changes: bool
    deliveries: bool


def look(connection: Connection, before: OldBefore) -> Old:
    """What there is before these times."""
    lives, events, history = before
    (found,) = ask(connection, _LOOK, (lives, lives - DAY, events, events, history, history))
    return Old(*map(bool, found))
