from dataclasses import fields, replace
from pathlib import Path

import pytest

from collector import framing
from collector.errors import InvalidMessage
from collector.frame import take_apart
from collector.parcel_frame import decode_batch, encode_batch
from collector.parcels import events_of, owed_events, owed_samples, samples_of
from collector.pipelines.files import read_pipelines
from collector.pipelines.routing import ByPipeline
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.sample import Sample, make_id
from tests.collector.publishers.stubs import EVENT, Stub
from tests.factories import CPU_UTIL, sample, series


def test_samples_and_events_come_back_as_they_were() -> None:
    samples = [
        sample(metadata={"a": {"b": [1, 2.5, None, "☺"]}}, generation="boot-1"),
        sample(
            type="delta", meter="requests", id=make_id("one"), user_id=None, project_id=None, generation=None
        ),
        sample(type="gauge", volume=0.1, unit="%", source="here"),
        sample(type="gauge", volume=2.0, unit="%"),
        sample(volume=2**63 - 1),
    ]

    there = [one for owed in owed_samples("x", arrange(samples)) for one in samples_of(owed.body).samples()]
    happened = [
        one for owed in owed_events("x", [EVENT, replace(EVENT, raw=None)]) for one in events_of(owed.body)
    ]

    assert sorted(there, key=repr) == sorted(samples, key=repr)
    assert happened == [EVENT, replace(EVENT, raw=None)]
    assert [type(trait.value) for trait in happened[0].traits] == [
        type(trait.value) for trait in EVENT.traits
    ]


def test_batches_stay_small_whatever_is_in_them() -> None:
    large = [sample(resource_id=f"vm-{i}", metadata={"text": f"{i}" * 300_000}) for i in range(8)]

    owed = list(owed_samples("x", arrange(large)))

    assert max(len(one.body) for one in owed) < 2**20 + 2**19
    assert sum(one.pieces for one in owed) == 8
    assert [one.pieces for one in owed_samples("x", arrange(series(4_500)))] == [2_000, 2_000, 500]


class Untouched(SampleBatch):
    """Samples none of which may become an object."""

    def samples(self) -> list[Sample]:
        raise AssertionError("an object for each sample")


def test_no_sample_becomes_an_object_on_its_way_into_and_out_of_a_queue(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources: [{name: a, meters: [cpu], sinks: [raw]}]\nsinks: [{name: raw, publishers: ['http://one/']}]"
    )
    pipelines = read_pipelines(file)
    routing = ByPipeline([Stub("all/")], {"http://one/": "one/"}, pipelines, None)
    found = arrange([*series(3), CPU_UTIL])
    batch = Untouched(*(getattr(found, one.name) for one in fields(found)))

    shares = routing.route(batch, ())
    owed = [one for share in shares for one in owed_samples(share.publisher, share.samples)]

    assert [(one.outlet, one.pieces) for one in owed] == [("all/", 4), ("one/", 3)]
    assert decode_batch(take_apart(owed[0].body)) is not None


def test_what_an_older_version_left_in_a_queue_is_delivered() -> None:
    assert samples_of(framing.encode(series(3))).samples() == series(3)


def test_bytes_that_were_damaged_are_never_taken_for_samples() -> None:
    whole = encode_batch(
        arrange([*series(3), sample(type="delta", meter="requests", id=make_id("one"), generation=None)])
    )
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            try:
                found = samples_of(damaged)
            except InvalidMessage:
                continue
            assert len(found) == 4


def test_a_name_that_is_no_text_is_damage_in_what_an_older_version_left_too() -> None:
    body = framing.encode(series(3))

    damaged = body.replace(b'"cpu"', b"12345")

    assert damaged != body
    with pytest.raises(InvalidMessage):
        samples_of(damaged)
