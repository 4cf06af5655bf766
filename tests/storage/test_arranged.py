"""What is written in a quick way is the same as what was written before: contents are known by it."""

import hashlib
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from storage.ingest.arranged import arrange
from storage.ingest.arrangement import canonical
from storage.ingest.keys import VersionKey
from tests.collector.factories import SAMPLE

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, JSON, max_size=6))
def test_metadata_have_one_text_whoever_writes_it(metadata: dict[str, object]) -> None:
    batch = arrange([replace(SAMPLE, metadata=metadata)])

    assert batch.versions[0].body == canonical(metadata)
    assert batch.versions[0].body == json.dumps(
        metadata, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )


@given(st.none() | TEXT, TEXT, st.none() | TEXT, TEXT, st.booleans())
def test_a_content_keeps_the_digest_it_always_had(
    user: str | None, source: str, generation: str | None, body: str, counters_only: bool
) -> None:
    content = json.dumps([user, source, generation, body, counters_only]).encode()

    assert VersionKey(user, source, generation, body, counters_only).digest == (
        hashlib.blake2b(content, digest_size=16).digest()
    )
