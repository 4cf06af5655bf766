"""Messages that can never become samples."""

import json

from tests.collector.factories import notification, payload

POISON: dict[str, bytes | object] = {
    "empty": b"",
    "null": b"null",
    "truncated": json.dumps(notification()).encode()[:-9],
    "utf-16": json.dumps(notification()).encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20),
    "pickle": b"\x80\x04\x95\x10\x00.",
    "deep": b'{"event_type": "volume.exists", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no event type": notification(event_type=None),
    "no payload": {key: value for key, value in notification().items() if key != "payload"},
    "payload of text": notification(payload="text"),
    "payload of nothing": notification(payload=None),
    "no time": notification(timestamp=None),
    "time of nonsense": notification(timestamp="soon"),
    "time as number": notification(timestamp=1795389464),
    "in 2150": notification(timestamp="2150-01-01 00:00:00"),
    "no resource": notification(payload=payload(volume_id=None)),
    "resource of a list": notification(payload=payload(volume_id=["volume-1"])),
    "resource of 1 MB": notification(payload=payload(volume_id="v" * 2**19)),
    "no volume": notification(payload=payload(size=None)),
    "volume true": notification(payload=payload(size=True)),
    "volume of a list": notification(payload=payload(size=[])),
    "volume of an object": notification(payload=payload(size={})),
    "volume of words": notification(payload=payload(size="0x10")),
    "volume NaN": notification(payload=payload(size=float("nan"))),
    "volume infinite": notification(payload=payload(size=float("inf"))),
    "volume 1e400": json.dumps(notification(payload=payload(size=123454321)))
    .replace("123454321", "1e400")
    .encode(),
    "volume 2**63": notification(payload=payload(size=2**63)),
    "volume of 5000 digits": json.dumps(notification(payload=payload(size=1)))
    .replace('"size": 1', '"size": ' + "9" * 5000)
    .encode(),
    "project of a list": notification(payload=payload(tenant_id=["a", "b"])),
    "two projects": b'{"event_type":"volume.exists","payload":{"tenant_id":"a","tenant_id":"b"}}',
    "polling without samples": notification(event_type="telemetry.polling", payload={}),
}
