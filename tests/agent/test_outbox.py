import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agent.metrics import AgentMetrics
from agent.outbox import BATCH_BYTES, BATCH_SAMPLES, Outbox
from agent.spool import Spool
from collector.envelope import decode_batch
from collector.errors import BusUnavailable
from storage.sample import Sample, SampleType
from tests.agent.pretend import NOW, Sink, drain, make_outbox

METERS: tuple[tuple[str, SampleType], ...] = (("load", "gauge"), ("bytes", "cumulative"))


def cycle(number: int) -> list[Sample]:
    """What one poll gives: a gauge and a counter."""
    moment = NOW + timedelta(minutes=number)
    return [
        Sample(meter, kind, "B", number, "vm", None, moment, generation="g" if kind == "cumulative" else None)
        for meter, kind in METERS
    ]


def test_samples_leave_as_they_came(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)

    outbox.put(cycle(1))
    outbox.put(cycle(2))
    drain(outbox)

    assert sink.samples == [*cycle(1), *cycle(2)]
    outbox.close()


def test_large_cycles_leave_in_bounded_batches(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)

    outbox.put(cycle(1) * BATCH_SAMPLES)
    drain(outbox)

    assert [len(decode_batch(body)) for body in sink.bodies] == [BATCH_SAMPLES, BATCH_SAMPLES]
    outbox.close()


def test_batches_with_large_metadata_are_cut_smaller(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    large = [
        replace(sample, resource_id=str(number), metadata={"notes": str(number) * 60_000})
        for number, sample in enumerate(cycle(1) * 100)
    ]

    outbox.put(large)
    drain(outbox)

    assert sink.samples == large
    assert max(len(body) for body in sink.bodies) <= BATCH_BYTES
    outbox.close()


def test_a_poll_without_samples_leaves_no_trace(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)

    outbox.put([])

    assert not outbox.deliver()
    assert list(tmp_path.glob("*.seg")) == []
    outbox.close()


def test_what_the_transport_refuses_is_kept_and_offered_again(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    outbox.put(cycle(1))
    sink.is_down = True
    with pytest.raises(BusUnavailable):
        outbox.deliver()
    outbox.close()

    sink.is_down = False
    restarted = make_outbox(tmp_path, sink)
    drain(restarted)

    assert sink.samples == cycle(1)
    restarted.close()


def test_an_agent_that_is_killed_before_the_spool_hears_of_it_delivers_the_same_bytes_again(
    tmp_path: Path,
) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    outbox.put(cycle(1))
    record = outbox._spool.oldest()
    assert record is not None
    sink.send(record.payload)  # confirmed, and then the power goes
    outbox.close()

    restarted = make_outbox(tmp_path, sink)
    drain(restarted)

    assert len(sink.bodies) == 2
    assert sink.bodies[0] == sink.bodies[1]
    restarted.close()


def fill(outbox: Outbox, cycles: int) -> None:
    for number in range(cycles):
        outbox.put(cycle(number))


def test_a_full_spool_gives_up_gauges_first_and_keeps_the_ends_of_counters(tmp_path: Path) -> None:
    sink, registry = Sink(), CollectorRegistry()
    spool = Spool(tmp_path, segment_bytes=1500)
    outbox = Outbox(spool, sink, AgentMetrics(registry), limit_bytes=9000)

    with capture_logs() as logs:
        fill(outbox, 60)
    drain(outbox)

    counted = [sample.volume for sample in sink.samples if sample.meter == "bytes"]
    assert counted[0] == 0
    assert counted[-1] == 59
    assert counted == sorted(counted)
    assert len([s for s in sink.samples if s.meter == "load"]) < len(counted)
    assert [entry["event"] for entry in logs] == ["spool_full"]
    thinned = registry.get_sample_value("nephometer_agent_dropped_samples_total", {"how": "thinned"})
    dropped = registry.get_sample_value("nephometer_agent_dropped_samples_total", {"how": "dropped"})
    assert thinned == 120 - len(sink.samples)
    assert not dropped
    outbox.close()


def test_a_spool_that_stays_full_drops_the_oldest_batches_and_counts_them(tmp_path: Path) -> None:
    sink, registry = Sink(), CollectorRegistry()
    spool = Spool(tmp_path, segment_bytes=1500)
    outbox = Outbox(spool, sink, AgentMetrics(registry), limit_bytes=4000)

    fill(outbox, 200)
    assert spool.waiting_bytes <= 4000
    drain(outbox)

    assert sink.samples[-2:] == cycle(199)
    lost = sum(
        registry.get_sample_value("nephometer_agent_dropped_samples_total", {"how": how}) or 0
        for how in ("thinned", "dropped")
    )
    assert lost == 400 - len(sink.samples)
    outbox.close()


def test_room_is_announced_when_the_spool_has_emptied(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink, limit_bytes=4000, segment_bytes=1500)
    fill(outbox, 60)
    drain(outbox)

    with capture_logs() as logs:
        outbox.put(cycle(60))

    assert [entry["event"] for entry in logs] == ["spool_has_room"]
    outbox.close()


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_survived_in_memory_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    outbox.put(cycle(0))
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(os, "fsync", full_disk)
        outbox.put(cycle(1))
        outbox.put(cycle(2))
    with capture_logs() as healed:
        outbox.put(cycle(3))
    drain(outbox)

    assert sink.samples == [*cycle(0), *cycle(1), *cycle(2), *cycle(3)]
    assert [entry["event"] for entry in logs] == ["spool_unavailable"]
    assert [entry["event"] for entry in healed] == ["spool_available"]
    outbox.close()


def test_what_the_disk_refused_is_delivered_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        outbox.put(cycle(1))
        drain(outbox)

    assert sink.samples == cycle(1)
    outbox.close()


def test_memory_keeps_the_newest_when_the_disk_stays_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    monkeypatch.setattr("agent.outbox.MEMORY_BYTES", 2000)
    monkeypatch.setattr(os, "fsync", full_disk)
    fill(outbox, 30)

    drain(outbox)

    assert sink.samples[-2:] == cycle(29)
    assert 0 < sum(len(body) for body in sink.bodies) <= 2000
    outbox.close()
