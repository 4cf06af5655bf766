"""JSON as the standard says, and nothing that merely looks like it.

Python's own reader takes UTF-16, a byte order mark and repeated keys. Here they are refused: of two equal
keys a check could read the first and the program the last.
"""

import json

from collector.errors import InvalidMessage


def parse(body: bytes | str) -> object:
    """The value of one JSON text in UTF-8.

    `NaN`, `Infinity` and numbers beyond a float come back as non-finite floats, so that the one sample
    that holds them can be refused and not its neighbours. Raises InvalidMessage for anything else amiss,
    nesting deeper than the interpreter's stack and integers of more than 4300 digits included.
    """
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
