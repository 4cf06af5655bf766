"""Secrets in JSON that is kept as it came: values of keys that name one, and what addresses carry, become `***`.

Everything else stays byte for byte, so that a fault can still be seen where it is: a number nothing can hold, a
repeated key, a missing end. Texts that hold JSON themselves, as those of oslo.messaging's envelope 2, are looked
through as well, some in one another; what is wrapped more often is masked whole. So a character is looked at a bounded
number of times, whatever a sender writes.
"""

import json
import re
from collections.abc import Iterator

from collector.secrets import without_secrets
from storage.secrets import names_secret

MASK = '"***"'
LONGEST_ESCAPE = 6  # characters: \\u0000
WRAPPINGS = 8  # texts in one another; `collector.envelope` opens four

# A text, or one of the marks that say what belongs to what; the last text of what was cut has no end.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:(?P<end>")|\\?\Z)|[\[\]{}:,]', re.DOTALL)
# How JSON that can hold a key begins, and hardly anything else does: `[12:00] said` does not.
_JSON = re.compile(
    r"""\ufeff?\s*(?: \{\s*["}] | \{(?=.{,200}?"\s*:)
    | \[\s*(?: ["\[{] | [-+.\deE]+\s*, | (?:true|false|null|NaN|-?Infinity)\s*, ) | "[\s"\\]*[{\[] )""",
    re.VERBOSE | re.DOTALL,
)

_Piece = tuple[int, int, str]  # from where to where, and what stands there instead


def masked(body: bytes) -> bytes:
    """The body without its secrets if it is JSON, whole or only the beginning of some; as it is if it is not."""
    text = body.decode("utf-8", "surrogateescape")
    if _JSON.match(text) is None:
        return body
    found = _masked(text, WRAPPINGS)
    return body if found == text else found.encode("utf-8", "surrogateescape")


def _masked(text: str, wrappings: int) -> str:
    done, parts = 0, list[str]()
    for begin, end, instead in _pieces(text, wrappings):
        parts += [text[done:begin], instead]
        done = end
    return "".join((*parts, text[done:]))


def _pieces(text: str, wrappings: int) -> Iterator[_Piece]:
    """What has to be something else, in order: whole values of secrets, and texts that hold one.

    Texts are looked through so many times in one another.
    """
    key, begin, depth = "", None, 0  # `begin` of the value of a secret, in which so many are open
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if begin is not None:
            if depth == 0 and mark in ",}]":
                yield begin, token.start(), MASK
                begin = None
            depth += (mark in "{[") - (mark in "}]" and begin is not None)
        elif mark == ":":
            begin, depth, key = token.end() if names_secret(key) else None, 0, ""
        elif mark[0] == '"':
            said = _decoded(mark, is_whole=token["end"] is not None)
            key = said if said is not None else mark[1:-1] if token["end"] else mark[1:]
            if _JSON.match(key) is None:
                kept = without_secrets(key)
            else:
                kept = _masked(key, wrappings - 1) if wrappings else "***"
            if kept != key:  # what no JSON has is not escaped: that would make it longer each time
                written = f'"{kept}"' if said is None else json.dumps(kept)
                yield token.start(), token.end(), written if token["end"] else written[:-1]
    if begin is not None:
        yield begin, len(text), MASK


def _decoded(mark: str, *, is_whole: bool) -> str | None:
    """What a text says, also without its end; None where no JSON has it."""
    if is_whole:
        return _read(mark)
    begun = (_read(f'{mark[: len(mark) - cut]}"') for cut in range(min(LONGEST_ESCAPE, len(mark))))
    return next((text for text in begun if text is not None), None)


def _read(text: str) -> str | None:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return None
