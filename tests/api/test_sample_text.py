"""Samples written by hand look as the models do, byte for byte."""

import json
from datetime import timedelta

import pytest

from api.v2 import sample_text
from api.v2.schemas import OldSample, Sample
from storage.query import EVERYTHING, SampleQuery
from storage.sample import make_id
from tests.api.world import World
from tests.factories import CPU, NOW, sample

ODD = (
    CPU,
    sample(meter='a "quoted"\\ name\n', unit="µs", volume=2**63 - 1, project_id=None, user_id=None),
    sample(meter="gauge", type="gauge", volume=1e-7, resource_id="ünïcode\u2028\U0001f600", metadata={}),
    sample(meter="gauge", type="gauge", volume=-0.0, timestamp=NOW + timedelta(microseconds=1)),
    sample(meter="delta", type="delta", volume=1e300, id=make_id("one"), source="<&>"),
    sample(meter="nested", type="gauge", volume=1, metadata={"a": {"b": {"c": [1, None]}, "é": True}}),
)


@pytest.mark.parametrize("path", ["/v2/samples", "/v2/meters/gauge"])
def test_answers_are_what_python_writes_of_their_models(world: World, path: str) -> None:
    world.keep(ODD)
    shape = Sample if path == "/v2/samples" else OldSample
    meter = None if path == "/v2/samples" else "gauge"
    stored = world.samples.find(SampleQuery(EVERYTHING, meter=meter), 100)
    expected = json.dumps([shape.of(one).model_dump() for one in stored])

    answers = [world.client().get(path).text for _ in range(2)]

    assert len(stored) == (len(ODD) if meter is None else 2)
    assert answers == [expected, expected]


def test_texts_are_forgotten_before_they_are_too_many() -> None:
    texts = sample_text.Texts[object, str](str, 2)
    things = [(number,) for number in range(5)]

    assert [texts.of(thing) for thing in things * 2] == [str(thing) for thing in things * 2]


def test_samples_that_are_asked_for_again_read_the_same(world: World) -> None:
    world.keep(ODD)
    found = world.samples.newest(SampleQuery(EVERYTHING), 100)

    for written in (sample_text.SAMPLES, sample_text.OLD_SAMPLES):
        assert written.again(found) == written.again(found) == written.all(found)
        assert written.again([]) == b"[]"
