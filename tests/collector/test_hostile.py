"""Batches made to cost more than they are worth: little of them is kept, and their neighbours are stored."""

import json
import struct

import pytest

from collector.judging import REFUSED_ALONE, VERSIONS_BYTES
from collector.message import HEAD_BYTES, Message
from storage.sample import to_microseconds
from tests.collector.factories import NOW, StubPublisher, batch, good, pipeline
from tests.collector.test_frame import put_together

METERS = [["m", "gauge", "B", 0]]
NO_OTHERS: list[list[object]] = [[], []]


def frame(names: object, rows: list[tuple[int, int, int, int]]) -> Message:
    """A batch of rows (resource, version, shape, time), each with one reading."""
    columns = [
        struct.pack(f"<{len(rows)}{code}", *(row[place] for row in rows)) for place, code in enumerate("IIIq")
    ]
    columns.append(struct.pack(f"<{len(rows)}q", *range(len(rows))))
    return Message(
        put_together([0, len(rows), len(rows), 0, 4, 4, 4, 8, 0], names, b"".join(columns)), "agent", NOW
    )


def stored(bad: Message) -> StubPublisher:
    """Where a bad message and a good one went."""
    publisher = StubPublisher()
    pipeline(publisher).process([bad, batch(good(1))])
    assert publisher.samples[-1] == good(1)
    return publisher


def test_many_refused_readings_of_one_batch_take_the_room_of_few() -> None:
    count = 20 * REFUSED_ALONE
    names = [[["r", "p"]], [{"key": "x" * 100_000}], [[None, "s", None, 0, 0]], METERS, [[0]], NO_OTHERS]
    bad = frame(names, [(0, 0, 0, -1 - number) for number in range(count)])

    refused = stored(bad).refused

    assert len(refused) == REFUSED_ALONE + 1
    assert all(len(one.body) <= HEAD_BYTES for one in refused[:-1])
    assert refused[-1].body == bad.body
    assert refused[-1].reason.startswith(f"{count - REFUSED_ALONE} more of its readings are refused")


@pytest.mark.parametrize("flaw", [0, 1], ids=["clean", "with a refused reading"])
def test_metadata_listed_once_is_not_written_out_for_thousands_of_versions(flaw: int) -> None:
    metadata = {f"key-{number}": "x" * 1000 for number in range(50)}
    versions = [[None, "s", str(number), 0, 0] for number in range(1000)]
    ts = to_microseconds(NOW)
    rows = [(0, number, 0, ts - number) for number in range(1000)] + [(0, 0, 0, -1)] * flaw

    publisher = stored(frame([[["r", "p"]], [metadata], versions, METERS, [[0]], NO_OTHERS], rows))

    size = len(json.dumps(metadata, separators=(",", ":")))
    assert len(publisher.samples) - 1 == VERSIONS_BYTES // size
    assert "bytes of metadata" in publisher.refused[0].reason


@pytest.mark.parametrize("place", range(5))
def test_names_that_no_sample_needs_refuse_the_batch(place: int) -> None:
    names: list[object] = [[["r", "p"]], [{}], [[None, "s", None, 0, 0]], METERS, [[0]], NO_OTHERS]
    names[place] = [["r", "p"], {}, [None, "s", None, 0, 0], METERS[0], [0]][place : place + 1] * 3
    bad = frame(names, [(0, 0, 0, to_microseconds(NOW))] * 2)

    publisher = stored(bad)

    assert [(one.body, one.reason) for one in publisher.refused] == [
        (bad.body, "a batch that lists more names than it has readings")
    ]
    assert publisher.samples == [good(1)]
