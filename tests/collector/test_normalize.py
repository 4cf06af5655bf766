import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from collector.normalize import Unfit, normalize
from storage.sample import Sample
from tests.collector.factories import DRAFT, NOW

GAUGE = replace(DRAFT, type="gauge")


def accepted(**fields: object) -> Sample:
    sample = normalize(replace(GAUGE, **fields), NOW)
    assert isinstance(sample, Sample), sample
    return sample


def refused(**fields: object) -> str:
    unfit = normalize(replace(GAUGE, **fields), NOW)
    assert isinstance(unfit, Unfit), unfit
    return unfit.reason


@pytest.mark.parametrize(
    ("volume", "in_bytes", "in_gib"),
    [
        (12, 12, 12.0),
        (12.0, 12, 12.0),
        (1.5, 1.5, 1.5),
        ("12", 12, 12.0),
        ("-3", -3, -3.0),
        ("1.5", 1.5, 1.5),
        ("2e3", 2000, 2000.0),
        ("9007199254740993.0", 2**53 + 1, 2**53 + 1),
        (2**53, 2**53, float(2**53)),
        (2**53 + 1, 2**53 + 1, 2**53 + 1),
        (2**63 - 1, 2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63), -(2**63)),
        (1e-400, 0, 0.0),
    ],
)
def test_volumes_are_kept_exactly_as_ints_in_counted_units_and_floats_elsewhere(
    volume: object, in_bytes: int | float, in_gib: int | float
) -> None:
    for unit, expected in (("B", in_bytes), ("GiB", in_gib)):
        found = accepted(volume=volume, unit=unit).volume

        assert (found, type(found)) == (expected, type(expected))


def test_minus_zero_is_zero() -> None:
    assert math.copysign(1, accepted(volume=-0.0, unit="GiB").volume) == 1


@pytest.mark.parametrize(
    "volume",
    [
        math.nan,
        math.inf,
        -math.inf,
        True,
        False,
        None,
        [],
        {},
        [1],
        "",
        "abc",
        "0x10",
        "1_000",
        " 1",
        "1 ",
        "1,5",
        "NaN",
        "inf",
        "٣",
        "1" * 65,
        "1e999",
        2**63,
        2**64,
        -(2**63) - 1,
        10**30,
        str(2**63),
    ],
)
@pytest.mark.parametrize("unit", ["B", "GiB"])
def test_what_is_no_finite_number_of_64_bits_is_refused(volume: object, unit: str) -> None:
    assert refused(volume=volume, unit=unit).startswith("volume")


def test_a_huge_float_is_a_number_of_a_measured_unit_but_not_of_a_counted_one() -> None:
    assert accepted(volume=1e30, unit="GiB").volume == 1e30
    assert refused(volume=1e30, unit="B") == "volume is beyond 64 bits"


def test_only_gauges_may_be_negative() -> None:
    assert accepted(volume=-1).volume == -1
    assert refused(volume=-1, type="cumulative") == "volume of a cumulative meter is negative"
    assert refused(volume=-1, type="delta", id=b"i" * 16) == "volume of a delta meter is negative"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-11-22 23:17:44.969652", datetime(2024, 11, 22, 23, 17, 44, 969652, UTC)),
        ("2024-11-22T23:17:44", datetime(2024, 11, 22, 23, 17, 44, 0, UTC)),
        ("2024-11-22 23:17:44.5+0100", datetime(2024, 11, 22, 22, 17, 44, 500000, UTC)),
        ("2016-12-31 23:59:60", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-11-22T23:17:44Z", datetime(2024, 11, 22, 23, 17, 44, 0, UTC)),
        ("2024-11-22 23:31:37+00:00", datetime(2024, 11, 22, 23, 31, 37, 0, UTC)),
        ("2024-11-22T23:31:37.5+0000", datetime(2024, 11, 22, 23, 31, 37, 500000, UTC)),
        ("2024-11-22T23:31:37.123456789Z", datetime(2024, 11, 22, 23, 31, 37, 123456, UTC)),
        ("2024-11-23T01:31:37+14:00", datetime(2024, 11, 22, 11, 31, 37, 0, UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        (datetime(2024, 11, 22, 23, tzinfo=UTC).replace(tzinfo=None), datetime(2024, 11, 22, 23, tzinfo=UTC)),
        (
            datetime(2024, 11, 22, 23, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2024, 11, 23, 4, tzinfo=UTC),
        ),
    ],
)
def test_times_are_read_in_every_way_services_write_them(text: object, expected: datetime) -> None:
    timestamp = accepted(timestamp=text).timestamp

    assert (timestamp, timestamp.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2026-W01-1",
        "2026-W01-1 22:10:08",
        "2026-01-01 24:00:00.000000",
        "2024-11-22",
        "2026-02-30T00:00:00",
        "2024-11-22T24:00:00",
        "2024-11-22T23:59:61",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:60Z",
        "2024-11-22T23:00:00+15:00",
        1795389464,
        1795389464000,
        "1795389464",
        1795389464.5,
        True,
        [],
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_times_that_cannot_be_read_or_cannot_be_are_refused(value: object) -> None:
    assert refused(timestamp=value).startswith("timestamp")


def test_a_clock_may_be_5_minutes_ahead_and_its_time_is_kept() -> None:
    ahead = NOW + timedelta(minutes=5)

    assert accepted(timestamp=ahead).timestamp == ahead
    assert "future" in refused(timestamp=ahead + timedelta(microseconds=1))


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=40), timedelta(days=20_000)])
def test_late_readings_keep_their_time(age: timedelta) -> None:
    assert accepted(timestamp=NOW - age).timestamp == NOW - age


@pytest.mark.parametrize("field", ["meter", "resource_id"])
@pytest.mark.parametrize("value", [None, "", 7, [], {}, True, "x" * 256])
def test_meter_and_resource_must_be_text_of_bounded_length(field: str, value: object) -> None:
    assert refused(**{field: value})


@pytest.mark.parametrize("field", ["project_id", "user_id", "source", "generation"])
@pytest.mark.parametrize("value", [7, [], {}, True, "x" * 256])
def test_other_identifiers_are_text_of_bounded_length_or_absent(field: str, value: object) -> None:
    assert refused(**{field: value})


def test_an_empty_project_is_no_project() -> None:
    assert accepted(project_id="").project_id is None


@pytest.mark.parametrize("value", [None, "", "rate", 7, ["gauge"]])
def test_the_type_is_one_of_three(value: object) -> None:
    assert refused(type=value).startswith("type")


@pytest.mark.parametrize("value", [None, 7, "x" * 256])
def test_the_unit_is_text(value: object) -> None:
    assert refused(unit=value).startswith("unit")


@pytest.mark.parametrize("value", [7, "text", [1]])
def test_metadata_is_an_object(value: object) -> None:
    assert refused(metadata=value) == "metadata is not an object"


def test_a_delta_needs_its_id_and_others_lose_theirs() -> None:
    assert refused(type="delta") == "a delta sample needs an id of 16 bytes"
    assert refused(type="delta", id="text") == "a delta sample needs an id of 16 bytes"
    assert accepted(type="delta", id=b"i" * 16).id == b"i" * 16
    assert accepted(type="gauge", id=b"i" * 16).id is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("é", "é"),
        ("e\u0301", "e\u0301"),
        ("ع\u200d", "ع\u200d"),
        ("🌩", "🌩"),
        ("A ", "A "),
        ("a", "a"),
    ],
)
def test_only_what_no_database_takes_is_replaced_in_identifiers(text: str, expected: str) -> None:
    assert accepted(resource_id=text).resource_id == expected
    assert accepted(meter=text).meter == expected


def test_a_unit_or_type_other_than_before_is_kept_as_it_is() -> None:
    assert (accepted(unit="MB").unit, accepted(unit="MiB").unit) == ("MB", "MiB")
