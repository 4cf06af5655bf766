"""Samples are found by their ids, and by nobody else's, wherever they are kept."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Scope
from storage.sample import Sample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import HOUR, Maintained, history

MOVED = "instance-2"
MOVED_AT = NOW - 20 * HOUR


def _moved(sample: Sample) -> Sample:
    is_moved = sample.resource_id == MOVED and sample.timestamp >= MOVED_AT
    return replace(sample, project_id="project-1") if is_moved else sample


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Two projects with samples in day tiles, hour tiles, `hot` and `late`, and a resource that went from 0 to 1."""
    folder: Path = tmp_path_factory.mktemp("layered")
    database = Database(DatabaseSettings(url=sqlite_with_schema(folder)))
    store = Maintained(database)
    samples = [_moved(sample) for sample in history(8, hours=40, resources=4)]
    store.store(samples[::2])
    store.seal(-5 * HOUR)
    store.compact()
    store.store(samples[1::2])
    return database


def test_an_id_finds_its_sample_and_an_id_of_nothing_finds_nothing(layered: Database) -> None:
    samples = Samples(layered)
    everything = samples.find(SampleQuery(EVERYTHING), 10**5)

    some = everything[::40] + [one for one in everything if one.sample.type == "delta"]

    assert {one.sample.type for one in some} == {"gauge", "cumulative", "delta"}
    assert all(samples.get(EVERYTHING, one.message_id) == one for one in some)
    assert samples.get(EVERYTHING, str(uuid.UUID(int=5, version=5))) is None


def test_an_id_of_another_project_finds_nothing_in_any_layer(layered: Database) -> None:
    samples = Samples(layered)
    found = samples.find(SampleQuery(Scope("project-1")), 10**5)

    theirs = found[::40] + [one for one in found if one.sample.type == "delta"]

    assert MOVED in {one.sample.resource_id for one in found}
    assert all(one.sample.project_id == "project-1" for one in found)
    assert all(samples.get(Scope("project-0"), one.message_id) is None for one in theirs)
    before_it_moved = samples.find(SampleQuery(Scope("project-0"), resource_id=MOVED), 10**5)
    assert all(one.sample.timestamp < MOVED_AT for one in before_it_moved)
