"""A cloud's worth of roles around one broker and one database."""

import json
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.sample import Sample
from storage.samples import Samples
from tests.end_to_end.program import Program

TOKENS = json.dumps(
    [
        {"token": "operator", "roles": ["admin"], "project_id": "operators"},
        {"token": "tenant", "roles": ["member"], "project_id": "project-1"},
    ]
)


@dataclass
class Cloud:
    """The settings of all roles, and the database they share."""

    folder: Path
    settings: Mapping[str, str]
    database: Database
    bus: str
    url: str
    running: ExitStack = field(default_factory=ExitStack)

    def start(self, role: str, **changes: str) -> Program:
        """Another process of a role."""
        settings = {**self.settings, **{key.replace("__", "."): value for key, value in changes.items()}}
        return self.running.enter_context(Program(role, self.folder, settings))

    def stored(self) -> list[Sample]:
        """Every stored sample."""
        return [found.sample for found in Samples(self.database).find(SampleQuery(EVERYTHING), 10**6)]


def settings(database_url: str, bus: str, port: int) -> Mapping[str, str]:
    """Settings of every role: sample each second, evaluate each second, no libvirt, batches signed."""
    return {
        "database.url": database_url,
        "bus.url": bus,
        "bus.signing_secrets": '["a secret of all collectors"]',
        "bus.require_signatures": "true",
        "agent.interval": "1",
        "agent.libvirt_uri": "",
        "collector.batch_size": "500",
        "api.port": str(port),
        "auth.mode": "token",
        "auth.tokens": TOKENS,
        "alarms.interval": "1",
        "alarms.allow_networks": '["127.0.0.0/8"]',
    }


def polled(metrics_port: int) -> int:
    """How many samples the agent says it took; -1 while some of them wait in its spool."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10).read().decode()
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    if any(name == "nephometer_agent_spool_bytes" and float(value) for name, value in lines):
        return -1
    return int(
        sum(float(value) for name, value in lines if name.startswith("nephometer_agent_samples_total"))
    )
