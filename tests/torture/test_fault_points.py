"""SIGKILL at every fault point: the next process goes on, and nothing is lost or counted twice."""

import signal
from pathlib import Path

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.torture.living import Place
from tests.torture.oracle import assert_right
from tests.torture.points import fault_points, reached_in

DAYS = 11
# What a day brings first; days pass until samples are old enough to be forgotten.
ORDER = ("events", "facts", "ingest", "outgoing", "seal", "hot", "reseal", "compact", "retention")


def test_a_fault_point_has_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="no name"):
        list(reached_in("reach(point)"))


def test_no_kill_loses_or_doubles_a_sample(schema_url: str, tmp_path: Path) -> None:
    """One store, one process after the other, each killed at another point: in every one that the source has."""
    place = Place(schema_url, tmp_path / "journal", DAYS, seed=1)
    database = Database(DatabaseSettings(url=schema_url))

    for point in sorted(filter(_is_lived, fault_points()), key=_turn):
        process = place.begin(point)
        process.join(60)

        assert process.exitcode == -signal.SIGKILL, f"this life never reaches {point}"
        assert_right(database, *place.oracles())

    process = place.begin()
    process.join(60)
    assert process.exitcode == 0
    assert place.acknowledged == len(place.life)
    assert_right(database, place.oracles()[0])
    database.dispose()


def _is_lived(point: str) -> bool:
    """Nobody delivers to publishers in this life: tests/collector/publishers/test_killed.py does."""
    return not point.startswith("outlet.")


def _turn(point: str) -> tuple[int, str]:
    layer = point.partition(".")[0]
    return ORDER.index(layer) if layer in ORDER else len(ORDER), point
