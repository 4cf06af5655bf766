"""Samples written from columns are what each of them would be by itself."""

import msgspec
import pytest

from collector.listed import encode_json
from collector.publishers.messages import sample_object
from collector.publishers.texts import sample_texts
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES
from storage.sample import Sample, make_id
from tests.factories import MINUTE, NOW, sample, series

COUNTER = sample(generation="boot-1", metadata={"a": {"b": [1, 2.5, None, 'a "☺"\n']}}, volume=2**63 - 1)
REAL = sample(type="gauge", meter="load", unit="%", volume=2.0, generation=None)
DELTA = sample(type="delta", meter='re"quests', id=make_id("one"), generation=None, volume=-7)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [COUNTER],
        [
            REAL,
            sample(
                type="gauge", meter="load", unit="%", volume=1e-7, generation=None, timestamp=NOW + MINUTE
            ),
        ],
        [COUNTER, REAL, sample(user_id=None, project_id=None, resource_id="☺/\\", source="else\twhere")],
        [DELTA, sample(type="delta", meter="real", id=make_id("two"), generation=None, volume=1e300)],
        [COUNTER, DELTA, REAL, *series(30, resource_id="other")],
    ],
)
def test_each_text_is_the_object_of_its_sample(samples: list[Sample]) -> None:
    batch = arrange(samples)

    written = [msgspec.json.decode(text) for text in sample_texts(batch)]

    assert written == [msgspec.json.decode(encode_json(sample_object(one))) for one in batch.samples()]
    volumes = [(type(one["volume"]), one["volume"]) for one in written]
    assert volumes == [(type(one.volume), one.volume) for one in batch.samples()]


def test_what_ends_a_text_stands_behind_each_and_nowhere_else() -> None:
    texts = sample_texts(arrange([COUNTER, DELTA]), b"\n")

    assert [text.count(b"\n") for text in texts] == [1, 1]
    assert all(text.endswith(b"}\n") for text in texts)
    assert sample_texts(NO_SAMPLES) == []
