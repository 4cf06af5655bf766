"""Five hundred bodies nobody should send, no two of a kind: `CORPUS`, by name, always the same.

Some can never be read, some hold readings that can never be stored, and some are only strange: what matters is that
each ends somewhere and none harms a neighbour. `POISON` are those that give nothing at all.
"""

import bz2
import gzip
import json
import lzma
import pickle
import random
import zlib
from collections.abc import Iterator, Mapping
from itertools import cycle, islice

import msgspec

from tests.collector.corpus import RECORDED, name_of
from tests.collector.factories import notification, payload, polled, polling
from tests.collector.poison import POISON

COUNT = 500
MEGABYTE = 2**20
RECENT = "@recent@"  # stands for a time that is neither too old nor too new, which `at` puts in

# Of these each field of a notification gets every one in turn.
HOSTILE: Mapping[str, object] = {
    "null": None,
    "nothing": "",
    "a blank": " ",
    "a list": [],
    "an object": {},
    "true": True,
    "a fraction": 1.5,
    "minus one": -1,
    "2**64": 2**64,
    "2**2000": 2**2000,
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "a surrogate": "\ud800",
    "NULs": "a\0b\0",
    "a long text": "x" * 100_000,
    "emoji": "\U0001f4a9" * 300,
    "an override": "\u202egnp.exe",
    "SQL": "'; DROP TABLE event; --",
    "a template": "{{7*7}}${jndi:ldap://example.org/a}%n%n",
    "depth": [[[[[[[[{"a": [{"b": [{}]}]}]]]]]]]],
}
WORST = ("null", "a list", "an object", "true", "2**64", "NaN", "a surrogate", "a long text")


def corpus() -> dict[str, bytes]:
    """All of them."""
    families = (
        _known,
        _broken,
        _encoded,
        _deep,
        _wrapped,
        _crowded,
        _fields_of_notifications,
        _fields_of_payloads,
        _foreign,
        _fields_of_samples,
    )
    found: dict[str, bytes] = {}
    seen: set[bytes] = set()
    for family in families:
        for name, body in family():
            if body not in seen:
                seen.add(body)
                found[name] = body
    return dict(islice(found.items(), COUNT))


def at(body: bytes, time: str) -> bytes:
    """The body as it would be sent at this time."""
    return body.replace(RECENT.encode(), time.encode())


def _body(**fields: object) -> bytes:
    return json.dumps(notification(**{"timestamp": RECENT, "message_id": "poison", **fields})).encode()


def _known() -> Iterator[tuple[str, bytes]]:
    for name, body in POISON.items():
        yield name, body if isinstance(body, bytes) else json.dumps(body).encode()


def _broken() -> Iterator[tuple[str, bytes]]:
    whole, chance = _body(), random.Random(4)
    for number in range(20):
        yield f"cut at {number}/20", whole[: 1 + number * len(whole) // 20]
    for number in range(20):
        place = chance.randrange(len(whole))
        yield f"bit {number} turned", whole[:place] + bytes([whole[place] ^ 0x84]) + whole[place + 1 :]
    for size in (1, 7, 64, 1000, 2**16, 2**20):
        yield f"{size} random bytes", chance.randbytes(size)
        yield f"{size} zeros", bytes(size)
    yield "twice", whole * 2
    yield "in a list", b"[" + whole + b"]"
    yield "in text", json.dumps(whole.decode()).encode()
    yield "with a tail", whole + b"\0"
    yield "with a comma", whole[:-1] + b",}"
    yield "in single quotes", whole.replace(b'"', b"'")
    yield "with a comment", b"/* */" + whole
    for text in (
        "true",
        "0",
        '"x"',
        "[]",
        "{}",
        "-",
        "[1e",
        '{"a"',
        "<xml/>",
        "---\na: 1",
        "GET / HTTP/1.1",
        "1 2",
    ):
        yield f"only {text}", text.encode()


def _encoded() -> Iterator[tuple[str, bytes]]:
    whole = _body(publisher_id="ä")
    text = json.dumps(json.loads(whole), ensure_ascii=False)
    for encoding in (
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-7",
        "utf-8-sig",
        "latin-1",
        "cp037",
        "shift-jis",
    ):
        yield f"in {encoding}", text.encode(encoding, "replace")
    yield "compressed by zlib", zlib.compress(whole)
    yield "compressed by gzip", gzip.compress(whole, mtime=0)
    yield "compressed by bzip2", bz2.compress(whole)
    yield "compressed by xz", lzma.compress(whole)
    for protocol in range(6):
        yield f"pickle {protocol}", pickle.dumps({"event_type": "volume.exists"}, protocol)
    yield "msgpack", msgspec.msgpack.encode(json.loads(whole))
    yield "a bomb of gzip", gzip.compress(bytes(64 * MEGABYTE), mtime=0)


def _deep() -> Iterator[tuple[str, bytes]]:
    for depth in (50, 500, 990, 1100, 20_000, 200_000):
        for start, end in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = start * depth + b"1" + end * depth
            for field in (b"payload", b"_context_user"):
                whole = _body(**{field.decode(): "@"})
                yield f"{depth} deep {start!r} in {field!r}", whole.replace(b'"@"', nested)


def _wrapped() -> Iterator[tuple[str, bytes]]:
    inner = _body().decode()
    for version in ("1.0", "2.7", "3.0", "", None, 2.0, ["2.0"]):
        yield f"envelope {version!r}", json.dumps({"oslo.version": version, "oslo.message": inner}).encode()
    values: tuple[object, ...] = (None, [], {}, 1, "", "{", "null", "[]", "\ud800")
    for value in values:
        yield f"envelope of {value!r}", json.dumps({"oslo.version": "2.0", "oslo.message": value}).encode()
    wrapped = inner
    for times in range(1, 9):
        wrapped = json.dumps({"oslo.version": "2.0", "oslo.message": wrapped})
        yield f"wrapped {times} times", wrapped.encode()
    circle: object = {"nova_object.data": {"nova_object.data": {"nova_object.data": payload()}}}
    yield "a versioned object in itself", _body(payload=circle)
    yield (
        "a versioned object of nothing",
        _body(event_type="instance.exists", payload={"nova_object.data": None}),
    )


def _crowded() -> Iterator[tuple[str, bytes]]:
    for count in (300, 5_000, 60_000):
        yield (
            f"{count} keys",
            _body(payload={**payload(), **{f"k{number}": number for number in range(count)}}),
        )
        yield f"{count} keys of context", _body(**{f"_context_{number}": number for number in range(count)})
        yield f"{count} items", _body(payload=payload(metadata=[0] * count))
    for size in (300, 70_000, 900_000, 2 * MEGABYTE):
        yield f"a key of {size}", _body(payload=payload(**{"k" * size: 1}))
        yield f"a text of {size}", _body(payload=payload(display_name="n" * size))
        yield f"an event type of {size}", _body(event_type="volume.exists" + "x" * size)
    whole = _body().decode()
    for key in ("event_type", "payload", "timestamp", "message_id", "size", "volume_id"):
        yield f"{key} twice", whole.replace(f'"{key}":', f'"{key}": null, "{key}":').encode()
    for key in ("\0", "\ud800", "a.b", "$where", "__proto__", "", " ", "constructor", "\u202e"):
        yield f"a key {key!r}", _body(payload=payload(**{key: {key: key}}))


def _fields_of_notifications() -> Iterator[tuple[str, bytes]]:
    for field in (
        "message_id",
        "publisher_id",
        "event_type",
        "priority",
        "payload",
        "timestamp",
        "_context_user_id",
    ):
        for name, value in HOSTILE.items():
            yield f"{field}: {name}", _body(**{field: value})


def _fields_of_payloads() -> Iterator[tuple[str, bytes]]:
    for field in payload():
        for name in WORST:
            yield f"payload.{field}: {name}", _body(payload=payload(**{field: HOSTILE[name]}))


def _fields_of_samples() -> Iterator[tuple[str, bytes]]:
    for name in WORST:
        for field in polled():
            one = polled(**{"timestamp": RECENT, field: HOSTILE[name]})
            yield f"polled {field}: {name}", json.dumps(polling(one)).encode()


def _foreign() -> Iterator[tuple[str, bytes]]:
    """Half of the recorded notifications, of every service, in which each value is one of the `WORST`."""
    values = cycle(HOSTILE[name] for name in WORST)
    for path in RECORDED[::2]:
        message = json.loads(path.read_text())
        if isinstance(message, dict) and "payload" in message:
            hostile = _spoilt(message["payload"], values)
            changed = message | {"payload": hostile, "timestamp": RECENT}
            yield f"spoilt {name_of(path)}", json.dumps(changed).encode()


def _spoilt(value: object, values: Iterator[object]) -> object:
    if isinstance(value, dict):
        return {key: _spoilt(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_spoilt(item, values) for item in value]
    return next(values)
