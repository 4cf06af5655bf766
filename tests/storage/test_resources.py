from datetime import timedelta

from storage.database import Database
from storage.query import EVERYTHING, MetadataMatch, MeterSummary, SampleQuery, Scope
from storage.resources import Resources
from storage.sample import make_id
from storage.samples import Samples
from tests.factories import CPU, MINUTE, NOW, sample

LATER = NOW + timedelta(seconds=1)
EVERY = SampleQuery(EVERYTHING)


def test_a_resource_shows_its_span_and_the_metadata_of_its_latest_sample(database: Database) -> None:
    renamed = sample(timestamp=NOW + MINUTE, metadata={"display_name": "new"}, user_id="user-2")
    Samples(database).store([renamed, CPU], received_at=LATER)

    (found,) = Resources(database).resources(EVERY, 10)

    assert (found.resource_id, found.project_id, found.user_id) == ("instance-1", "project-a", "user-2")
    assert (found.first, found.last) == (NOW, NOW + MINUTE)
    assert found.metadata == {"display_name": "new"}
    assert found.meters == ("cpu",)


def test_resources_known_only_by_delta_samples_are_listed(database: Database) -> None:
    Samples(database).store([sample(type="delta", meter="image.serve", id=make_id("m"))], received_at=LATER)

    (found,) = Resources(database).resources(EVERY, 10)

    assert found.meters == ("image.serve",)


def test_resources_seen_last_come_first(database: Database) -> None:
    Samples(database).store(
        [
            CPU,
            sample(resource_id="b", timestamp=NOW + MINUTE),
            sample(resource_id="a", timestamp=NOW + MINUTE),
        ],
        received_at=LATER,
    )

    assert [one.resource_id for one in Resources(database).resources(EVERY, 2)] == ["a", "b"]


def test_a_filter_on_metadata_looks_at_the_latest_sample_only(database: Database) -> None:
    Samples(database).store([CPU, sample(timestamp=NOW + MINUTE, metadata={})], received_at=LATER)
    web = SampleQuery(EVERYTHING, metadata=(MetadataMatch("display_name", "web", "web"),))

    assert Resources(database).resources(web, 10) == []
    assert Resources(database).meters(web, 10) == []


def test_a_tenant_sees_its_own_resources_and_meters_only(database: Database) -> None:
    theirs = sample(project_id="project-b", meter="secret.meter")
    Samples(database).store([CPU, theirs], received_at=LATER)
    resources, scope = Resources(database), Scope("project-a")

    assert [one.meters for one in resources.resources(SampleQuery(scope), 10)] == [("cpu",)]
    assert [one.name for one in resources.meters(SampleQuery(scope), 10)] == ["cpu"]
    assert [one.name for one in resources.meters(SampleQuery(scope), 10, unique=True)] == ["cpu"]
    shown = resources.resource(scope, "instance-1")
    assert shown is not None
    assert shown.project_id == "project-a"
    assert resources.resource(Scope("project-c"), "instance-1") is None


def test_meters_are_listed_once_per_resource_or_once_in_all(database: Database) -> None:
    Samples(database).store([CPU, sample(resource_id="instance-2")], received_at=LATER)

    per_resource = Resources(database).meters(EVERY, 10)
    unique = Resources(database).meters(EVERY, 10, unique=True)

    assert [(one.name, one.resource_id) for one in per_resource] == [
        ("cpu", "instance-1"),
        ("cpu", "instance-2"),
    ]
    assert unique == [MeterSummary("cpu", "cumulative", "ns", None, None, None, None)]
