from datetime import timedelta

import pytest

from storage.database import Database
from storage.errors import DatabaseUnavailable, SchemaMismatch
from storage.quarantine import Quarantine
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, Stored
from storage.sample import INT64_MAX, INT64_MIN, Refused, Sample, make_id
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series

LATER = NOW + timedelta(seconds=1)
MUCH_LATER = NOW + timedelta(days=40)
ALL = SampleQuery(EVERYTHING)


def kept(samples: Samples, query: SampleQuery = ALL, limit: int = 10_000) -> list[Sample]:
    return [found.sample for found in samples.find(query, limit)]


def test_a_sample_comes_back_as_it_was_stored(database: Database) -> None:
    samples = Samples(database)

    stored = samples.store([CPU], received_at=LATER)

    assert stored == Stored(new=1, duplicates=0, conflicts=0)
    found = samples.find(ALL, 10)
    assert [one.sample for one in found] == [CPU]
    assert found[0].recorded_at == LATER


@pytest.mark.parametrize("volume", [INT64_MAX, INT64_MIN, 2**53 + 1, 0, -1, 0.1, -0.0, 5e-324, 1.7e308])
def test_every_number_is_kept_exactly(database: Database, volume: int | float) -> None:
    samples = Samples(database)

    samples.store([sample(type="gauge", volume=volume)], received_at=LATER)

    (found,) = kept(samples)
    assert (type(found.volume), repr(found.volume)) == (type(volume), repr(volume))


def test_meters_of_another_unit_or_type_are_kept_apart(database: Database) -> None:
    samples = Samples(database)
    odd = [CPU, sample(unit="s"), sample(type="gauge")]

    samples.store(odd, received_at=LATER)

    assert sorted((one.type, one.unit) for one in kept(samples)) == sorted(
        (one.type, one.unit) for one in odd
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("a", "a "), ("é", "é"), ("a\U0001f600", "a\U0001f601"), ("ß", "ss")],
)
def test_identifiers_are_compared_byte_for_byte(database: Database, one: str, other: str) -> None:
    samples = Samples(database)
    samples.store([sample(project_id=one), sample(project_id=other)], received_at=LATER)
    samples.store([sample(resource_id=one), sample(resource_id=other)], received_at=LATER)

    assert [found.project_id for found in kept(samples, SampleQuery(Scope(one)))] == [one]
    by_name = kept(samples, SampleQuery(EVERYTHING, resource_id=other))
    assert [found.resource_id for found in by_name] == [other]


def test_names_as_long_as_they_may_be_are_kept_whole(database: Database) -> None:
    longest = sample(
        meter="m" * 255,
        unit="\N{GREEK SMALL LETTER MU}" * 255,
        resource_id="\N{GRINNING FACE}" * 255,
        project_id="p" * 255,
        user_id="u" * 255,
        source="s" * 255,
        generation="g" * 255,
    )

    Samples(database).store([longest], received_at=LATER)

    assert kept(Samples(database)) == [longest]


def test_newest_samples_come_first_and_the_limit_holds(database: Database) -> None:
    samples = Samples(database)
    samples.store(series(300), received_at=LATER)

    found = kept(samples, limit=7)

    assert [one.timestamp for one in found] == [NOW + MINUTE * number for number in range(299, 292, -1)]


def test_a_rare_match_is_found_behind_many_others(database: Database) -> None:
    samples = Samples(database)
    rare = sample(user_id="rare", timestamp=NOW - MINUTE)
    samples.store([rare, *series(900)], received_at=LATER)

    assert kept(samples, SampleQuery(EVERYTHING, user_id="rare"), limit=1) == [rare]


@pytest.mark.parametrize(
    ("query", "volumes"),
    [
        (SampleQuery(EVERYTHING, start=NOW, end=NOW + MINUTE), [1]),
        (SampleQuery(EVERYTHING, start=NOW, start_open=True, end=NOW + MINUTE, end_closed=True), [2]),
        (SampleQuery(EVERYTHING, start=NOW + 2 * MINUTE), [3]),
        (SampleQuery(EVERYTHING, meter="memory"), []),
        (SampleQuery(EVERYTHING, source="other"), []),
        (SampleQuery(EVERYTHING, project_id="project-b"), []),
        (SampleQuery(EVERYTHING, message_id="no-such-id"), []),
    ],
)
def test_conditions_choose_samples(database: Database, query: SampleQuery, volumes: list[int]) -> None:
    samples = Samples(database)
    samples.store(series(3), received_at=LATER)

    assert [int(found.volume) // 1_000_000_000 for found in kept(samples, query)] == volumes


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (MetadataMatch("display_name", "web", "web"), True),
        (MetadataMatch("flavor.vcpus", 2, "2"), True),
        (MetadataMatch("flavor.vcpus", "2", "2"), True),
        (MetadataMatch("flavor.vcpus", 3, "3"), False),
        (MetadataMatch("no.such.key", "web", "web"), False),
    ],
)
def test_metadata_is_matched_by_value_or_text(database: Database, match: MetadataMatch, found: bool) -> None:
    samples = Samples(database)
    samples.store([CPU], received_at=LATER)

    assert bool(kept(samples, SampleQuery(EVERYTHING, metadata=(match,)))) is found


def test_every_sample_is_found_again_by_its_message_id(database: Database) -> None:
    samples = Samples(database)
    delta = sample(meter="image.serve", type="delta", unit="B", id=make_id("m", "0"))
    batch = [CPU, CPU_UTIL, delta]
    samples.store(batch, received_at=LATER)

    ids = samples.identify(batch)

    assert sorted(one.message_id for one in samples.find(ALL, 10)) == sorted(ids)
    for wanted, message_id in zip(batch, ids, strict=True):
        got = samples.get(EVERYTHING, message_id)
        assert got is not None
        assert got.sample == wanted
        assert samples.get(Scope("project-b"), message_id) is None


def test_a_scope_shows_one_project_whatever_the_question(database: Database) -> None:
    samples = Samples(database)
    theirs = sample(project_id="project-b")
    nobodys = sample(project_id=None)
    samples.store([CPU, theirs, nobodys], received_at=LATER)
    scope = Scope("project-a")

    assert kept(samples, SampleQuery(scope)) == [CPU]
    assert kept(samples, SampleQuery(scope, resource_id=CPU.resource_id)) == [CPU]
    assert kept(samples, SampleQuery(scope, project_id="project-b")) == []
    assert kept(samples, SampleQuery(scope, project_id="")) == []
    assert len(kept(samples)) == 3


def test_refused_messages_are_kept_once_with_their_reason(database: Database) -> None:
    samples, quarantine = Samples(database), Quarantine(database)
    refused = Refused("volume is not a number", b'{"volume": "x"}', "notifications", NOW)
    samples.store([], [refused], received_at=LATER)

    samples.store([CPU], [refused, refused], received_at=LATER)

    (one,) = quarantine.newest(10)
    assert (one.reason, one.body, one.origin, one.times) == (refused.reason, refused.body, refused.origin, 2)
    assert quarantine.count() == 1


def test_a_huge_refused_body_keeps_its_head_and_size(database: Database) -> None:
    quarantine = Quarantine(database)

    quarantine.keep([Refused("too large", b"x" * (2 << 20), "notifications", NOW)])

    (one,) = quarantine.newest(1)
    assert (len(one.body), one.size) == (4096, 2 << 20)


def test_more_resources_than_a_group_holds_are_all_kept(database: Database) -> None:
    samples = Samples(database)
    batch = [sample(resource_id=f"r{number}") for number in range(300)]

    samples.store(batch, received_at=LATER)

    assert {found.resource_id for found in kept(samples)} == {one.resource_id for one in batch}


def test_who_asks_for_one_sample_takes_none_from_whoever_asks_for_all(database: Database) -> None:
    samples = Samples(database)
    samples.store([sample(resource_id=name) for name in "ab"], received_at=LATER)
    one = Samples(database).find(ALL, 1)[0]

    assert samples.get(EVERYTHING, one.message_id) == one

    assert len(samples.find(ALL, 10)) == 2
    assert len(samples.find(SampleQuery(EVERYTHING, meter="cpu"), 10)) == 2


def test_an_absent_database_is_said_to_be_unavailable() -> None:
    database = Database(DatabaseSettings(url="postgresql+psycopg://nobody@127.0.0.1:1/none", timeout_s=2))

    with pytest.raises(DatabaseUnavailable):
        Samples(database).store([CPU], received_at=LATER)


def test_a_missing_schema_is_said_to_be_missing(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url))

    with pytest.raises(SchemaMismatch, match="nephometer db upgrade"):
        Samples(database).store([CPU], received_at=LATER)

    database.dispose()
