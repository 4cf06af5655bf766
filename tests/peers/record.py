"""`make peers`: what Ceilometer 27 makes of every recorded notification, its answers kept beside this file.

    python -m tests.peers.record

The real agent, on a broker of its own, takes each notification alone; after each comes a marker, whose sample says
that the one before it is done. What is kept: `answers.json`, of each notification its samples, or null where the agent
failed on it and would take it from the queue for ever.
"""

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pika

from tests.broker import RabbitMQ
from tests.collector.corpus import RECORDED, name_of
from tests.peers import agent

ANSWERS = Path(__file__).with_name("answers.json")
PATIENCE_S, START_S = 5.0, 60.0
CHANCE = ("id", "monotonic_time")  # fields that are others each time

Answers = Mapping[str, list[dict[str, object]] | None]


def recorded() -> dict[str, Path]:
    """Every recorded notification, by service and event."""
    return {name_of(path): path for path in RECORDED}


def answers() -> Answers:
    """What Ceilometer answered when it was last asked."""
    found: Answers = json.loads(ANSWERS.read_text())
    return found


def alone(body: bytes) -> bytes:
    """The notification with a transport id of its own: an agent skips one that came among the last sixteen."""
    message = json.loads(body)
    if not isinstance(message, dict):
        return body
    if "oslo.message" in message:
        return json.dumps(
            message | {"oslo.message": alone(message["oslo.message"].encode()).decode()}
        ).encode()
    return json.dumps(message | {"_unique_id": uuid.uuid4().hex}).encode()


def ask(bodies: Mapping[str, bytes], url: str, folder: Path) -> Answers:
    """What a running agent makes of each body."""
    agent.declare(url)
    found: dict[str, list[dict[str, object]] | None] = {}
    with (
        agent.running(url, folder, parallel=1, pipelines=agent.METERS) as peer,
        closing(_connection(url)) as connection,
    ):
        channel = connection.channel()
        asked = _Asked(peer, channel)
        asked.mark(START_S)
        for name, body in bodies.items():
            channel.basic_publish(agent.EXCHANGE, agent.QUEUE, body, _PROPERTIES)
            found[name] = asked.mark(PATIENCE_S)
            if found[name] is None:
                channel.queue_purge(agent.QUEUE)
    return found


_PROPERTIES = pika.BasicProperties(content_type="application/json", content_encoding="utf-8")


class _Asked:
    """What the agent wrote since it was last asked."""

    def __init__(self, peer: agent.Agent, channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
        self._peer, self._channel = peer, channel
        self._marks = 0

    def mark(self, patience_s: float) -> list[dict[str, object]] | None:
        """The samples until a marker sent now came through; None when it does not come."""
        self._marks += 1
        name = f"marker-{self._marks}"
        self._channel.basic_publish(agent.EXCHANGE, agent.QUEUE, _marker(name), _PROPERTIES)
        samples: list[dict[str, object]] = []
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            samples += map(json.loads, self._peer.lines())
            if any(sample["resource_id"] == name for sample in samples):
                return [_lasting(sample) for sample in samples if sample["resource_id"] != name]
            time.sleep(0.005)
        return None


def _lasting(sample: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in sample.items() if key not in CHANCE}


def _marker(name: str) -> bytes:
    payload = {"volume_id": name, "tenant_id": "p", "user_id": "u", "size": 1, "display_name": name}
    notification = {
        "message_id": name,
        "publisher_id": "volume.host",
        "event_type": "volume.exists",
        "priority": "INFO",
        "payload": payload,
        "timestamp": "2024-11-23 12:00:00.000000",
        "_unique_id": name,
    }
    return json.dumps(notification).encode()


def _connection(url: str) -> pika.BlockingConnection:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    return pika.BlockingConnection(parameters)


def main(say: Callable[[str], object] = sys.stdout.write) -> int:
    """The exit status."""
    bodies = {name: alone(path.read_bytes()) for name, path in recorded().items()}
    with closing(RabbitMQ()) as broker, tempfile.TemporaryDirectory(prefix="nephometer-peers-") as folder:
        broker.start()
        found = ask(bodies, broker.create_vhost(), Path(folder))
    ANSWERS.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    failed = sorted(name for name, samples in found.items() if samples is None)
    say(f"Ceilometer 27: {len(found)} notifications, {sum(map(len, filter(None, found.values())))} samples\n")
    if failed:
        say(f"it failed on {', '.join(failed)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
