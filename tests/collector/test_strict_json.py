"""JSON as the standard says: what the fast reader takes, the strict one takes for the same."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import InvalidMessage
from collector.strict_json import parse

REPEATED = [
    '{"a": 1, "a": 2}',
    '{"a": 1, "a": 2, "b" : 3}',  # as many colons after marks as a text without
    '{"a": 1, "a": 2, "b": "\\u0022\\u0022"}',  # as many marks, once it is written again
    '{"a": 1, "a": 2, "b": "\\"\\":"}',
    '{"a": 1, "\\u0061": 2}',
    '[{"x": {"a": null, "a": null}}]',
]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("text", REPEATED)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_an_object_that_repeats_a_key_is_refused_whatever_else_is_in_it(text: str, kind: type) -> None:
    with pytest.raises(InvalidMessage, match="repeats a key"):
        parse(kind(text))


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_what_was_written_is_read_as_it_was(value: object, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)

    assert repr(parse(text)) == repr(value)
    if is_ascii:
        assert repr(parse(text.encode())) == repr(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999"])
def test_numbers_that_are_none_come_back_for_their_sample_to_be_refused(text: str) -> None:
    found = parse(text)

    while isinstance(found, (list, dict)):
        found = found[0] if isinstance(found, list) else found["a"]
    assert isinstance(found, float)
    assert not math.isfinite(found)


@pytest.mark.parametrize(
    "body", [b"\xff", b"\xef\xbb\xbf{}", b'"\xed\xa0\x80"', b'"\x01"', b"01", b"", b"{}{}", b"9" * 5000]
)
def test_what_only_looks_like_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        parse(body)


def test_a_lone_surrogate_is_read_for_the_text_to_be_cleaned() -> None:
    assert parse(b'{"a": "\\ud800"}') == {"a": "\ud800"}
