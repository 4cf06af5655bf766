"""Messages in a queue of OpenStack's Zaqar. Source: https://docs.openstack.org/api-ref/message/, API version 2."""

import uuid
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from collector.errors import InvalidPublisher
from collector.listed import encode_json
from collector.publishers.messages import event_object, sample_object
from collector.publishers.publisher import EVERYTHING
from collector.publishers.service import Service
from collector.publishers.target import Target
from collector.publishers.web import checked
from storage.event import Event
from storage.ingest.batch import SampleBatch

TIMEOUT_S = 10.0
AT_ONCE, LIMIT_BYTES = 20, 200_000  # Zaqar's own limits: 20 messages a page and 262144 bytes a request
LEAST_TTL_S, MOST_TTL_S = 60, 1_209_600


class Zaqar:
    """zaqar://[host:port]?queue=…&ttl=3600&cloud=…: at least once; Zaqar forgets messages after `ttl` seconds."""

    takes = EVERYTHING

    def __init__(self, target: Target) -> None:
        self.name, options = target.name, target.options
        queue = options.text("queue")
        self._ttl = options.whole("ttl", 3600, LEAST_TTL_S, MOST_TTL_S)
        project = options.text("project")
        headers = {"client-id": str(uuid.uuid4()), **({"x-project-id": project} if project else {})}
        self._service = Service(target, "messaging", TIMEOUT_S, headers)
        options.done()
        if not queue:
            raise InvalidPublisher(f"{self.name}: say which queue, ?queue=…")
        self._path = f"/v2/queues/{quote(queue, safe='')}/messages"

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Posts them; raises PublisherUnavailable and BatchRefused."""
        bodies = [*map(sample_object, samples.samples()), *map(event_object, events)]
        for messages in _requests([encode_json({"ttl": self._ttl, "body": body}) for body in bodies]):
            checked(self._service.ask("POST", self._path, b'{"messages":[' + b",".join(messages) + b"]}"))

    def close(self) -> None:
        """Ends the connection."""
        self._service.close()


def _requests(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """So many messages as one request may have."""
    chosen: list[bytes] = []
    for message in messages:
        if chosen and (len(chosen) == AT_ONCE or sum(map(len, chosen)) + len(message) > LIMIT_BYTES):
            yield chosen
            chosen = []
        chosen.append(message)
    if chosen:
        yield chosen
