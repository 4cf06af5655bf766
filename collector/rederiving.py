"""What a set of definitions makes of notifications that came long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.ceilometer import ceilometer_drafts, is_ceilometer
from collector.ceilometer_events import is_events
from collector.draft import Draft
from collector.envelope import Notification
from collector.errors import InvalidMessage
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.mappings import event_mapping, meter_mapping, own_folder
from collector.normalize import Unfit, normalize
from collector.settings import CollectorSettings
from collector.text import remembering_metadata
from storage.event import Event
from storage.fact import Fact
from storage.sample import Sample


@dataclass(frozen=True, slots=True)
class Derived:
    """What a notification comes to; `refused` says of what could not become a sample why."""

    samples: Sequence[Sample]
    facts: Sequence[Fact]
    refused: Sequence[str]


class Derivation:
    """All definitions that these settings name; it never changes.

    Raises InvalidDefinition.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._meters = meter_mapping(settings)
        self._lives = LifecycleMapping(load_life_rules(own_folder(settings)))
        self._events = event_mapping(settings)
        secret = settings.telemetry_secret
        self._secret = secret.get_secret_value() if secret else None

    def derive(self, notification: Notification, received_at: datetime) -> Derived:
        """Samples and facts of a notification."""
        samples: list[Sample] = []
        refused: dict[str, None] = {}
        tidy = remembering_metadata()
        try:
            drafts = self._drafts(notification)
        except InvalidMessage as error:
            return Derived((), (), (str(error),))
        for draft in drafts:
            sample = normalize(draft, received_at, tidy)
            if isinstance(sample, Unfit):
                refused[f"{draft.meter}: {sample.reason}"] = None
            else:
                samples.append(sample)
        return Derived(samples, self._lives.facts(notification, received_at), tuple(refused))

    def event(self, notification: Notification, received_at: datetime) -> Event | None:
        """The event of a notification, None where there is none or it can be none."""
        if is_events(notification.event_type):  # Ceilometer's, which no definition makes
            return None
        try:
            return self._events.event(notification, received_at)
        except InvalidMessage:
            return None

    def _drafts(self, notification: Notification) -> Sequence[Draft]:
        if is_ceilometer(notification.event_type):
            return ceilometer_drafts(notification, self._secret)
        return self._meters.drafts(notification)
