import json
from dataclasses import replace

import pytest

from collector.envelope import decode_batch, decode_drafts, decode_notification, encode_batch
from collector.errors import InvalidMessage
from storage.sample import Sample
from tests.collector.factories import NOW, SAMPLE, first_version, notification

FLAT = json.dumps(notification(_context_user_id="user-1"))
EXTREME = Sample(
    "cpu",
    "cumulative",
    "ns",
    2**63 - 1,
    "vm-1",
    "project-1",
    NOW,
    user_id="user-1",
    metadata={"name": "é", "nested": {"a": [1, None, 2.5]}},
    generation="boot-1",
)
DELTA = replace(SAMPLE, type="delta", meter="image.serve", id=b"0123456789abcdef")


@pytest.mark.parametrize(
    "body",
    [
        FLAT,
        json.dumps({"oslo.version": "2.0", "oslo.message": FLAT}),
        json.dumps({"oslo.version": "2.1", "oslo.message": json.loads(FLAT)}),
        json.dumps(json.dumps({"oslo.version": "2.0", "oslo.message": FLAT})),
        json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(FLAT)}),
    ],
    ids=["version 1", "version 2", "version 2 as object", "whole body twice", "message twice"],
)
def test_both_envelopes_are_unwrapped_also_when_encoded_twice(body: str) -> None:
    found = decode_notification(body.encode())

    assert (found.event_type, found.priority, found.publisher_id) == (
        "volume.exists",
        "info",
        "volume.node-1",
    )
    assert found.context == {"user_id": "user-1"}
    assert isinstance(found.payload, dict)


@pytest.mark.parametrize(
    "more",
    ['"oslo.message": "{}"', '"oslo.version": "2.0"', '"unique": 1, "unique": 2'],
    ids=lambda it: it[:8],
)
def test_an_envelope_that_repeats_a_key_is_refused(more: str) -> None:
    usual = json.dumps({"oslo.version": "2.0", "oslo.message": FLAT})

    for body in (f"{usual[:-1]}, {more}}}", f"{{{more}, {usual[1:]}"):
        with pytest.raises(InvalidMessage, match="repeats a key"):
            decode_notification(body.encode())


def test_an_envelope_that_holds_more_is_read_as_well() -> None:
    usual = json.dumps({"oslo.version": "2.0", "oslo.message": FLAT, "more": "text"})

    assert decode_notification(usual.encode()) == decode_notification(FLAT.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        FLAT.encode()[:-2],
        b"\xef\xbb\xbf" + FLAT.encode(),
        FLAT.encode("utf-16"),
        FLAT.encode("utf-16-le"),
        FLAT.replace("volume-1", "volümé").encode("latin-1"),
        b"\x1f\x8b\x08\x00" + b"\0" * 20,
        b"\xff" * 32,
        b"\x80\x04\x95\x10\x00.",
        b"\x83\xa1a\x01\xa1b\x02",
        b"!!python/object/apply:os.system ['true']",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
        json.dumps(json.dumps(json.dumps(json.dumps(json.dumps(FLAT))))).encode(),
        b'{"event_type": "a", "payload": ' + b"9" * 5_000 + b"}",
    ],
)
def test_bytes_that_are_no_notification_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_notification(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"event_type": "a.b", "payload": {"project_id": "a", "project_id": "b"}}',
        b'{"event_type": "a.b", "event_type": "c.d", "payload": {}}',
    ],
)
def test_repeated_keys_are_refused_because_readers_disagree_on_which_counts(body: bytes) -> None:
    with pytest.raises(InvalidMessage, match="repeats a key"):
        decode_notification(body)


@pytest.mark.parametrize("event_type", [None, "", 7, [], "a." * 200])
def test_a_notification_needs_an_event_type_of_bounded_length(event_type: object) -> None:
    with pytest.raises(InvalidMessage, match="event_type"):
        decode_notification(json.dumps(notification(event_type=event_type)).encode())


def test_a_missing_message_id_is_made_from_the_bytes_so_a_redelivery_has_the_same() -> None:
    body = json.dumps(notification(message_id=None)).encode()

    assert decode_notification(body).message_id == decode_notification(body).message_id
    assert decode_notification(body).message_id != decode_notification(body + b" ").message_id


def test_a_batch_comes_back_exactly() -> None:
    samples = [EXTREME, SAMPLE, replace(SAMPLE, volume=-0.1, metadata=EXTREME.metadata), DELTA]

    assert decode_batch(encode_batch(samples)) == samples


def test_a_batch_of_the_version_before_is_still_read() -> None:
    samples = [EXTREME, SAMPLE, DELTA]

    assert decode_batch(first_version(*samples)) == samples


def test_equal_metadata_is_written_once() -> None:
    metadata = {"name": "x" * 1000}
    samples = [replace(SAMPLE, resource_id=str(number), metadata=dict(metadata)) for number in range(100)]

    assert encode_batch(samples).count(b"x" * 1000) == 1


def test_a_batch_with_lone_surrogates_can_still_be_sent() -> None:
    sample = replace(SAMPLE, resource_id="vm-\ud800", metadata={"name": "\udfff"})

    assert decode_batch(encode_batch([sample])) == [sample]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'["nephometer.samples",2,[],[]]',
        b'["something.else",1,[],[]]',
        b'["nephometer.samples",1,{},[]]',
        b'["nephometer.samples",1,[{"a":1,"a":2}],[],7]',
        encode_batch([SAMPLE])[:-1],
        FLAT.encode(),
    ],
)
def test_bytes_that_are_no_batch_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_batch(body)


def test_one_unreadable_reading_leaves_its_neighbours_readable() -> None:
    body = json.loads(first_version(SAMPLE, SAMPLE, SAMPLE))
    body[3][1] = ["not", "a", "row"]

    drafts = decode_drafts(json.dumps(body).encode())

    assert [draft.flaw is None for draft in drafts] == [True, False, True]


def test_a_reading_that_is_not_finite_leaves_its_neighbours_readable() -> None:
    body = first_version(SAMPLE, replace(SAMPLE, volume=123454321)).replace(b"123454321", b"NaN")

    assert [repr(draft.volume) for draft in decode_drafts(body)] == ["7", "nan"]
