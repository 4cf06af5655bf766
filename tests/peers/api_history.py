"""The samples of two projects that Ceilometer 9 and we are both asked about, as its collector wrote them down."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

START = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)


def _sample(
    meter: str, kind: str, unit: str, volume: float, at: float, resource: str, **changes: object
) -> dict[str, object]:
    when = (START + timedelta(seconds=at)).replace(tzinfo=None)
    return {
        "counter_name": meter,
        "counter_type": kind,
        "counter_unit": unit,
        "counter_volume": volume,
        "resource_id": resource,
        "project_id": "project-a",
        "user_id": "alice",
        "source": "openstack",
        "timestamp": when.isoformat(timespec="microseconds"),
        "resource_metadata": {},
    } | changes


WEB: Mapping[str, object] = {
    "display_name": "web",
    "instance_type": "m1.small",
    "flavor": {"name": "m1.small", "vcpus": 2, "extra": {"deep": {"deeper": "yes"}}},
    "ephemeral_gb": 0,
    "ratio": 1.5,
    "is_public": True,
    "tags": ["a", "b"],
    "host": "node-1",
    "number_text": "12",
}
DATABASE: Mapping[str, object] = {
    "display_name": "database",
    "instance_type": "m1.large",
    "flavor": {"name": "m1.large", "vcpus": 8},
    "is_public": False,
    "ratio": 2.0,
}


def _rows() -> Iterator[dict[str, object]]:
    """No two samples of one time: their order is nobody's promise."""
    theirs = {"project_id": "project-b", "user_id": "bob", "source": "elsewhere"}
    for number in range(12):
        at = 60.0 * number
        yield _sample("cpu", "cumulative", "ns", 10**9 * (number + 1), at, "i-1", resource_metadata=WEB)
        yield _sample("cpu_util", "gauge", "%", 10.0 + number / 4, at + 1, "i-1", resource_metadata=WEB)
        yield _sample(
            "cpu_util", "gauge", "%", 50.5 - number, at + 2, "i-2", resource_metadata=DATABASE, user_id="anna"
        )
        yield _sample(
            "cpu", "cumulative", "ns", 7 * 10**9 * (number + 1), at + 3, "i-3", resource_metadata=DATABASE, **theirs
        )  # fmt: skip
    for number in range(4):
        at = 180.0 * number + 0.25
        yield _sample("disk.size", "gauge", "GB", 20, at + 10, "v/1 ?", resource_metadata={"size": number})
        yield _sample("disk.size", "gauge", "MB", 20480, at + 11, "v-2", resource_metadata={"size": 20})
        yield _sample("bytes", "delta", "B", 1e16 + number * 4, at + 12, "i-1", resource_metadata=WEB)
    yield _sample(
        "image", "gauge", "image", 1, 3600 * 26, "image-1", user_id=None, resource_metadata={"name": "ü"}
    )


HISTORY: Sequence[dict[str, object]] = [
    row | {"message_id": f"sample-{number}"} for number, row in enumerate(_rows())
]
