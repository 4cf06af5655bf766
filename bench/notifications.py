"""What the services of a busy cloud send: about 2 kB each, written from the recorded notifications of the tests.

A message is a recorded one whose ids, project, user and time are others, with the request context that services send
along, in envelope 2 as almost all of them are. The same numbers always make the same messages, but for the time.
"""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from tests.collector.corpus import FOLDER

RESOURCES, PROJECTS = 2000, 100
INNER_BYTES = 1750  # escaped in its envelope such a notification has about 2 kB

# Of a hundred messages: servers change and are audited, their ports and volumes follow, and somebody always logs in.
MIX: tuple[tuple[str, int], ...] = (
    ("nova/compute.instance.update", 20),
    ("nova/compute.instance.exists", 14),
    ("nova/compute.instance.create.start", 4),
    ("nova/compute.instance.create.end", 4),
    ("nova/compute.instance.delete.end", 4),
    ("nova/instance.exists", 6),
    ("nova/instance.create.end", 2),
    ("nova/compute.metrics.update", 2),
    ("neutron/port.update.end", 10),
    ("neutron/network.create.end", 2),
    ("neutron/network.delete.end", 2),
    ("neutron/floatingip.create.end", 3),
    ("neutron/l3.meter", 4),
    ("cinder/volume.exists", 7),
    ("cinder/volume.create.end", 2),
    ("cinder/volume.attach.end", 2),
    ("cinder/snapshot.create.end", 1),
    ("glance/image.update", 2),
    ("glance/image.send", 3),
    ("keystone/identity.authenticate.success", 6),
)

PROJECT, USER = "3f0c7c1e5d3b4d0c9a9e4f1b2a6d7c80", "b1946ac92492d2347c6235b4d2611184"
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = "%Y-%m-%d %H:%M:%S.%f"

# Source: oslo.context's and nova's `to_dict`.
_CONTEXT: Sequence[tuple[str, object]] = (
    ("request_id", "req-fe69cf53-8a2b-58be-99d0-8bc4d69ba752"),
    ("global_request_id", None),
    ("roles", ["member", "reader"]),
    ("is_admin", False),
    ("read_only", False),
    ("show_deleted", False),
    ("auth_token", "***"),
    ("resource_uuid", None),
    ("user_identity", f"{USER} {PROJECT} - default default"),
    ("project_name", "shop"),
    ("user_name", "operator"),
    ("user_domain_id", "default"),
    ("project_domain_id", "default"),
    ("is_admin_project", True),
    ("remote_address", "10.1.2.3"),
    ("read_deleted", "no"),
    ("quota_class", None),
    ("system_scope", None),
    (
        "service_catalog",
        [
            {
                "type": kind,
                "name": name,
                "endpoints": [
                    {"region": "RegionOne", "publicURL": f"http://{name}.example.org/v3/{PROJECT}"}
                ],
            }
            for kind, name in (("volumev3", "cinder"), ("image", "glance"), ("network", "neutron"))
        ],
    ),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How many samples, and the sum of their volumes."""

    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages in the order they are sent, and the recorded notification each is made of."""

    messages: Sequence[bytes]
    recorded: Sequence[str]


def traffic(count: int, end: datetime, span: timedelta) -> Traffic:
    """So many messages, sent evenly within the span before `end`."""
    order = _order(count)
    texts = {name: _template(name) for name, _ in MIX}
    step = span / count
    messages = [
        _message(texts[name], number, end - span + number * step) for number, name in enumerate(order)
    ]
    return Traffic(messages, order)


def expected(recorded: Iterable[str]) -> dict[str, Figures]:
    """Of each meter what the samples of so many recorded notifications come to, as is written beside them."""
    found: dict[str, Figures] = {}
    for name, times in Counter(recorded).items():
        for sample in _samples(name):
            meter, volume = str(sample["meter"]), float(sample["volume"])
            before = found.get(meter, Figures(0, 0.0))
            found[meter] = Figures(before.count + times, before.total + times * volume)
    return found


def _samples(name: str) -> list[dict[str, Any]]:  # Any: JSON
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.expected.json").read_text())["samples"]
    return found


def _order(count: int) -> list[str]:
    """Each of the mix as often as it says, well stirred."""
    ends = list(accumulate(weight for _, weight in MIX))
    total = ends[-1]
    # 37 has no divisor in common with the total, so every place of the mix comes once in so many messages.
    places = (number * 37 % total for number in range(count))
    return [next(MIX[index][0] for index, end in enumerate(ends) if place < end) for place in places]


def _template(name: str) -> str:
    message = json.loads((FOLDER / f"{name}.json").read_text())
    for key, value in _CONTEXT:
        if len(json.dumps(message)) >= INNER_BYTES:
            break
        message.setdefault(f"_context_{key}", value)
    return json.dumps(message)


def _message(text: str, number: int, sent_at: datetime) -> bytes:
    """The template about the resource and project of this number, sent at this moment."""
    resource = number * 7919 % RESOURCES
    message = json.loads(_UUID.sub(lambda found: _other(found.group(), resource), text))
    message["message_id"] = str(uuid.UUID(int=number + 1))
    message["_unique_id"] = f"{number:032x}"
    message["timestamp"] = sent_at.astimezone(UTC).strftime(_TIME)
    inner = json.dumps(message)
    for known, others in ((PROJECT, "project"), (USER, "user")):
        inner = inner.replace(known, uuid.uuid5(uuid.NAMESPACE_OID, f"{others}{resource % PROJECTS}").hex)
    return json.dumps({"oslo.version": "2.0", "oslo.message": inner}).encode()


def _other(known: str, resource: int) -> str:
    return f"{known[:-8]}{resource:08x}"
