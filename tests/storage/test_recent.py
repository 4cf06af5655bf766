"""The newest samples are answered by one statement where that will do, and never otherwise than by the long way."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope
from storage.reading import recent_rows
from storage.reading.recent import SOON, Recent
from storage.reading.stored import FoundSample, as_sample
from storage.sample import Sample, StoredSample, make_id
from storage.samples import Samples
from storage.upkeep.partitions import Partitions
from storage.watermarks import look
from tests.factories import MINUTE, NOW, sample, series
from tests.storage.layers import Maintained

ALL = SampleQuery(EVERYTHING)


class Watched:
    """A store that was asked once, so that it may take the short way from then on; `short` counts when it did."""

    def __init__(self, database: Database, *queries: SampleQuery) -> None:
        self._database, self._samples, self.short = database, Samples(database), 0
        for query in queries:
            self.asked(query)
        self.short = 0

    def asked(self, query: SampleQuery, limit: int = 10) -> list[StoredSample]:
        """The answer, which is that of a store that has nothing to remember."""
        find = Recent.find

        def counted(
            recent: Recent, names: Names, query: SampleQuery, limit: int
        ) -> Sequence[FoundSample] | None:
            answer = find(recent, names, query, limit)
            self.short += answer is not None
            return answer

        with patch.object(Recent, "find", counted):
            found = self._samples.find(query, limit)
        assert found == Samples(self._database).find(query, limit)
        soon = self.asked_soon(query, limit)
        assert soon is None or soon == found
        return found

    def asked_soon(self, query: SampleQuery, limit: int) -> list[StoredSample] | None:
        """What an event loop is told."""
        found = asyncio.run(self._samples.newest_soon(query, limit))
        return None if found is None else [as_sample(one) for one in found]


@pytest.fixture
def filled(database: Database) -> Maintained:
    """Twenty polls of two resources, nothing sealed."""
    store = Maintained(database)
    for name in ("a", "b"):
        store.store(both(series(20, resource_id=name, metadata={"flavor": {"name": name}, "n": 1})))
    return store


def both(cpus: Sequence[Sample]) -> list[Sample]:
    gauges = [replace(one, meter="memory", type="gauge", unit="MB", volume=0.5) for one in cpus]
    return [*cpus, *gauges]


@pytest.mark.parametrize(
    "query",
    [
        ALL,
        SampleQuery(Scope("project-a"), meter="cpu"),
        SampleQuery(EVERYTHING, resource_id="a"),
        SampleQuery(EVERYTHING, resource_id="a", start=NOW + 5 * MINUTE, start_open=True),
        SampleQuery(EVERYTHING, meter="memory", start=NOW, end=NOW + 7 * MINUTE, end_closed=True),
        SampleQuery(EVERYTHING, metadata=(MetadataMatch("flavor.name", "a", "a"),)),
        SampleQuery(EVERYTHING, metadata=(MetadataMatch("n", value=True, text="True"),)),
        SampleQuery(EVERYTHING, metadata=(MetadataMatch("n", 1, "1"),)),
        SampleQuery(EVERYTHING, user_id="nobody"),
    ],
)
def test_open_hours_are_answered_the_short_way(
    filled: Maintained, database: Database, query: SampleQuery
) -> None:
    watched = Watched(database, ALL, query)

    for limit in (1, 3, 1000, 3):
        watched.asked(query, limit)

    assert watched.short == 4


def test_an_event_loop_is_told_what_needs_no_thread(filled: Maintained, database: Database) -> None:
    last = SampleQuery(EVERYTHING, resource_id="a", start=NOW + 5 * MINUTE)
    watched = Watched(database, ALL, last)
    watched.asked(last)  # which no line was free for
    watched.asked(last)

    soon = [watched.asked_soon(last, 100), watched.asked_soon(ALL, 1), watched.asked_soon(ALL, SOON + 1)]

    can = database.dialect.name.startswith("postgresql")
    assert [found is not None for found in soon] == [can, can, False]
    filled.store([sample(timestamp=NOW + 30 * MINUTE, resource_id="a", metadata={"is": "new"})])
    assert watched.asked_soon(last, 100) is None  # what it is called has to be learned
    filled.seal(timedelta(hours=3))
    assert watched.asked_soon(last, 100) is None


def test_pages_that_do_not_suffice_are_followed_by_larger_ones(database: Database) -> None:
    store = Maintained(database)
    store.store(series(1000, step=timedelta(seconds=1), resource_id="often", metadata={"n": "often"}))
    store.store(series(10, resource_id="seldom", metadata={"n": "seldom"}))
    query = SampleQuery(EVERYTHING, metadata=(MetadataMatch("n", "seldom", "seldom"),))
    watched = Watched(database, ALL, query)

    found = watched.asked(query, 10)

    assert len(found) == 10
    assert watched.short == 1


def test_what_is_new_is_seen_at_once(filled: Maintained, database: Database) -> None:
    watched = Watched(database, ALL)

    for number in range(3):
        filled.store(both([sample(timestamp=NOW + (30 + number) * MINUTE, resource_id="a")]))
        assert watched.asked(ALL, 1)[0].sample.timestamp == NOW + (30 + number) * MINUTE
    filled.store([sample(timestamp=NOW + 40 * MINUTE, resource_id="new", metadata={"is": "new"})])

    assert watched.asked(ALL, 1)[0].sample.resource_id == "new"
    assert watched.asked(ALL, 1)[0].sample.metadata == {"is": "new"}


def test_what_was_sealed_meanwhile_is_still_found(filled: Maintained, database: Database) -> None:
    watched = Watched(database, ALL)

    filled.seal(timedelta(hours=3))

    assert len(watched.asked(ALL, 1000)) == 80
    assert len(watched.asked(ALL, 1000)) == 80
    assert watched.short == 0


def test_newest_hours_are_answered_the_short_way_beside_sealed_ones(
    filled: Maintained, database: Database
) -> None:
    filled.seal(timedelta(hours=3))
    filled.store(both(series(20, resource_id="a", step=MINUTE / 2, project_id="later")))
    late = both([replace(one, timestamp=one.timestamp + timedelta(hours=5)) for one in series(20)])
    filled.store(late)
    watched = Watched(database, ALL)

    newest = watched.asked(ALL, 10)

    assert newest[0].sample.timestamp == late[-1].timestamp
    assert watched.short == 1
    assert len(watched.asked(ALL, 1000)) == 160
    assert watched.short == 1


@pytest.mark.parametrize("meter", ["cpu", "image.download"])
def test_late_readings_and_deltas_take_the_long_way(
    filled: Maintained, database: Database, meter: str
) -> None:
    watched = Watched(database, ALL)
    filled.sealer.close(NOW + timedelta(hours=3))
    odd = sample(resource_id="a", meter=meter, timestamp=NOW + timedelta(seconds=1))
    if meter != "cpu":
        odd = replace(odd, type="delta", unit="B", generation=None, id=make_id("one"))
    filled.store([odd])

    assert len(watched.asked(ALL, 1000)) == 81
    assert len(watched.asked(ALL, 1000)) == 81
    assert watched.short == 0


def test_a_polled_meter_whose_name_deltas_get_is_asked_for_anew(
    filled: Maintained, database: Database
) -> None:
    watched = Watched(database, SampleQuery(EVERYTHING, meter="cpu"))
    odd = sample(resource_id="a", timestamp=NOW + timedelta(seconds=1))
    filled.store([replace(odd, type="delta", generation=None, id=make_id("one"))])

    for _ in range(2):
        found = watched.asked(SampleQuery(EVERYTHING, meter="cpu"), 1000)
        assert [one.sample.type for one in found].count("delta") == 1


def test_of_readings_in_rows_of_several_shapes_the_first_one_counts(
    filled: Maintained, database: Database
) -> None:
    again = series(20, resource_id="a", metadata={"flavor": {"name": "a"}, "n": 1})
    filled.store([replace(one, volume=7) for one in again])
    query = SampleQuery(EVERYTHING, meter="cpu")
    watched = Watched(database, query)

    assert 7 not in {one.sample.volume for one in watched.asked(query, 1000)}


def test_a_question_moves_on_when_its_moment_is_over(filled: Maintained, database: Database) -> None:
    query = SampleQuery(EVERYTHING, resource_id="a")
    watched = Watched(database, query)

    filled.store([sample(resource_id="c")])
    watched.asked(query)
    watched.asked(query)

    assert watched.short == 1


def test_answers_hold_while_hours_are_sealed_and_dropped(database: Database) -> None:
    store, partitions, samples = Maintained(database), Partitions(database), Samples(database)
    for hour in range(4):
        partitions.make_ahead(NOW + timedelta(hours=hour))
        store.store(_hour(hour))
    expected = samples.find(ALL, 20)
    answers: list[list[StoredSample]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(samples.find(ALL, 20))

    asking = threading.Thread(target=ask)
    asking.start()
    for hour in range(1, 5):
        store.seal(timedelta(hours=hour))
        with database.snapshot() as connection:
            sealed = look(connection).sealed
        partitions.drop_before(sealed)
    done.set()
    asking.join()
    answers.append(samples.find(ALL, 20))

    assert [answer for answer in answers if _told(answer) != _told(expected)] == []


def _hour(hour: int) -> list[Sample]:
    polls = series(12, step=5 * MINUTE, resource_id=f"r{hour}")
    return [replace(one, timestamp=one.timestamp + timedelta(hours=hour)) for one in polls]


def _told(found: list[StoredSample]) -> list[tuple[str, Sample]]:
    """Without the time of arrival, which nobody knows of sealed ones."""
    return [(one.message_id, one.sample) for one in found]


def test_samples_are_made_once_and_forgotten_before_they_are_too_many(
    filled: Maintained, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, cpus = Samples(database), SampleQuery(EVERYTHING, meter="cpu")
    for query in (ALL, cpus):
        samples.newest(query, 20)

    first, again, others = samples.newest(ALL, 20), samples.newest(ALL, 20), samples.newest(cpus, 20)
    monkeypatch.setattr(recent_rows, "KEPT_MAX", 20)
    anew = samples.newest(replace(ALL, start=NOW), 20)

    assert all(one is other for one, other in zip(first, again, strict=True))
    assert [one.meter.name for one in others] == ["cpu"] * 20
    assert anew == first
    assert samples.newest(cpus, 20) == others


def test_as_long_as_the_database_says_the_same_the_answer_is_the_same_object(
    filled: Maintained, database: Database
) -> None:
    samples = Samples(database)
    question = SampleQuery(EVERYTHING, meter="cpu", start=NOW + 15 * MINUTE)
    later = replace(question, start=NOW + 15 * MINUTE - timedelta(seconds=1))
    samples.newest(question, 10)  # the long way
    found = samples.newest(question, 10)

    assert samples.newest(question, 10) is found
    assert samples.newest(later, 10) is found
    assert len(samples.newest(question, 3)) == 3
    filled.store([sample(resource_id="a", timestamp=NOW + 20 * MINUTE, volume=7)])
    assert samples.newest(question, 10) == [*samples.newest(question, 1), *found[:9]]
    assert samples.newest(question, 1)[0].volume == 7


def test_questions_that_python_takes_for_equal_have_their_own_answers(database: Database) -> None:
    store = Maintained(database)
    store.store([sample(resource_id=name, metadata={"n": n}) for name, n in (("a", 1), ("b", True))])
    whole, truth = (
        SampleQuery(EVERYTHING, metadata=(MetadataMatch("n", value=value, text="-"),)) for value in (1, True)
    )
    watched = Watched(database, whole, truth)

    for _ in range(2):
        assert [one.sample.resource_id for one in watched.asked(whole)] == ["a"]
        assert [one.sample.resource_id for one in watched.asked(truth)] == ["b"]
    assert watched.short == 4
