"""JSON as the standard says, and nothing that merely looks like it.

Python's own reader takes UTF-16, a byte order mark and repeated keys. Here they are refused: of two equal
keys a check could read the first and the program the last.
"""

import json

import msgspec

from collector.errors import InvalidMessage

# What the fast reader can not say is left to the other one, which takes ten times as long.
_read = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder().encode
_read_text = msgspec.json.Decoder(str).decode


def parse(body: bytes | str) -> object:
    """The value of one JSON text in UTF-8.

    `NaN`, `Infinity` and numbers beyond a float come back as non-finite floats, so that the one sample
    that holds them can be refused and not its neighbours. Raises InvalidMessage for anything else amiss,
    nesting deeper than the interpreter's stack and integers of more than 4300 digits included.
    """
    found = _clear(body)
    return _slowly(body) if found is _UNCLEAR else found


def parse_text(body: bytes) -> str | None:
    """The value of a JSON text that is one string, None if it is anything else."""
    try:
        return _read_text(body)
    except ValueError:  # msgspec's errors are ValueErrors
        return None


_UNCLEAR = object()


def _clear(body: bytes | str) -> object:
    """The value of a text without repeated keys or anything else out of the ordinary; _UNCLEAR for others.

    Written again, such a text has as many quotation marks as before: a key that was repeated would be missing with its
    own, and nothing could make up for them but a mark that was written as its number.
    """
    try:
        value = _read(body)
        written = _write(value)
    except (ValueError, OverflowError, RecursionError):  # msgspec's errors are ValueErrors
        return _UNCLEAR
    if isinstance(body, str):
        marks, is_numbered = body.count('"'), "\\" in body and "\\u0022" in body
    else:
        marks, is_numbered = body.count(b'"'), b"\\" in body and b"\\u0022" in body
    return value if marks == written.count(b'"') and not is_numbered else _UNCLEAR


def _slowly(body: bytes | str) -> object:
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        return json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise InvalidMessage(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InvalidMessage(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise InvalidMessage("nested too deeply") from error
    except ValueError as error:
        raise InvalidMessage("an integer has too many digits") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these pairs; raises InvalidMessage when a key is repeated."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidMessage("an object repeats a key")
    return value
