from datetime import UTC, datetime

import pytest

from api.errors import BadRequest, NotAuthorized
from api.v2.query import METER_FIELDS, RESOURCE_FIELDS, SAMPLE_FIELDS, question
from storage.alarm import Condition
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope

OWN = Scope(project_id="project-a")
SIX = datetime(2026, 11, 23, 6, tzinfo=UTC)
SEVEN = datetime(2026, 11, 23, 7, tzinfo=UTC)


def when(op: str, value: str) -> Condition:
    return Condition("timestamp", op, value)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("user", SampleQuery(EVERYTHING, user_id="x")),
        ("user_id", SampleQuery(EVERYTHING, user_id="x")),
        ("project", SampleQuery(EVERYTHING, project_id="x")),
        ("project_id", SampleQuery(EVERYTHING, project_id="x")),
        ("resource", SampleQuery(EVERYTHING, resource_id="x")),
        ("resource_id", SampleQuery(EVERYTHING, resource_id="x")),
        ("source", SampleQuery(EVERYTHING, source="x")),
        ("meter", SampleQuery(EVERYTHING, meter="x")),
        ("message_id", SampleQuery(EVERYTHING, message_id="x")),
        ("metadata.a.b", SampleQuery(EVERYTHING, metadata=(MetadataMatch("a.b", "x", "x"),))),
        ("resource_metadata.a", SampleQuery(EVERYTHING, metadata=(MetadataMatch("a", "x", "x"),))),
    ],
)
@pytest.mark.parametrize("op", ["eq", ""])
def test_a_field_and_its_synonym_mean_the_same(field: str, expected: SampleQuery, op: str) -> None:
    assert question([Condition(field, op, "x")], EVERYTHING, SAMPLE_FIELDS).query == expected


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("", "1", 1),
        ("", "-7", -7),
        ("", "1.5", 1.5),
        ("", "1e3", 1000.0),
        ("", "True", True),
        ("", "true", "true"),
        ("", "[1]", "[1]"),
        ("", "'quoted'", "quoted"),
        ("", "007", "007"),
        ("", "9223372036854775808", "9223372036854775808"),
        ("", "1e999", "1e999"),
        ("", "__import__('os')", "__import__('os')"),
        ("string", "1", "1"),
        ("integer", "1", 1),
        ("float", "1", 1.0),
        ("boolean", "yes", True),
        ("boolean", "0", False),
        ("datetime", "2026-11-23", "2026-11-23"),
    ],
)
def test_a_metadata_value_has_its_declared_type_or_that_of_its_literal(
    kind: str, text: str, value: object
) -> None:
    asked = question([Condition("metadata.k", "eq", text, kind)], EVERYTHING, SAMPLE_FIELDS)

    (match,) = asked.query.metadata
    assert (match.value, type(match.value), match.text) == (value, type(value), text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.5"), ("integer", "x"), ("integer", "9" * 30), ("float", "nan"), ("float", "inf"),
        ("float", "x"), ("boolean", "maybe"), ("datetime", "yesterday"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(
        BadRequest, match=f"^Unable to convert the value {text} to the expected data type {kind}.$"
    ):
        question([Condition("metadata.k", "eq", text, kind)], EVERYTHING, SAMPLE_FIELDS)


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BadRequest, match=r"The data type blob is not supported. .*'integer', 'float', 'string'"
    ):
        question([Condition("resource", "eq", "x", "blob")], EVERYTHING, SAMPLE_FIELDS)


@pytest.mark.parametrize(
    ("lower", "upper", "start_open", "end_closed"),
    [
        ("ge", "lt", False, False),
        ("gt", "le", True, True),
        ("ge", "le", False, True),
        ("gt", "lt", True, False),
    ],
)
def test_time_bounds_are_open_or_closed_as_asked(
    lower: str, upper: str, start_open: bool, end_closed: bool
) -> None:
    asked = question(
        [when(lower, "2026-11-23T06:00:00"), when(upper, "2026-11-23T07:00:00")], OWN, SAMPLE_FIELDS
    )

    assert asked.query == SampleQuery(OWN, start=SIX, end=SEVEN, start_open=start_open, end_closed=end_closed)
    assert (asked.start, asked.end) == (SIX, SEVEN)


def test_of_two_lower_bounds_the_last_one_counts() -> None:
    asked = question(
        [when("gt", "2026-11-23T05:00:00"), when("ge", "2026-11-23T06:00:00")], OWN, SAMPLE_FIELDS
    )

    assert asked.query == SampleQuery(OWN, start=SIX)


@pytest.mark.parametrize("op", ["eq", "ne", ""])
def test_a_timestamp_cannot_be_compared_for_equality(op: str) -> None:
    with pytest.raises(BadRequest, match="unimplemented operator for timestamp"):
        question([when(op, "2026-11-23")], OWN, SAMPLE_FIELDS)


@pytest.mark.parametrize("op", ["lt", "le", "ne", "ge", "gt"])
@pytest.mark.parametrize(
    "field", ["user", "resource_id", "source", "metadata.k", "meter", "message_id", "search_offset"]
)
def test_everything_else_can_only_be_equal(field: str, op: str) -> None:
    with pytest.raises(BadRequest, match=f"op. Value: '{op}'. unimplemented operator for {field}"):
        question([when("ge", "2026-11-23"), Condition(field, op, "5")], OWN, SAMPLE_FIELDS)


def test_an_operator_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"Value: 'like'\. Value should be one of: lt, le, eq, ne, ge, gt"):
        question([Condition("user", "like", "x")], OWN, SAMPLE_FIELDS)


def test_a_search_offset_widens_both_bounds_but_not_what_was_asked_for() -> None:
    conditions = [
        when("ge", "2026-11-23T06:30:00"),
        when("lt", "2026-11-23T06:30:00"),
        Condition("search_offset", "eq", "30"),
    ]

    asked = question(conditions, OWN, SAMPLE_FIELDS)

    assert asked.query == SampleQuery(OWN, start=SIX, end=SEVEN)
    assert asked.start == asked.end == datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("offset", ["x", "1.5", "-1", "", "9" * 12, "999999999", "٣"])
def test_a_search_offset_is_a_bounded_number_of_minutes(offset: str) -> None:
    with pytest.raises(BadRequest, match="a number of minutes is expected"):
        question([when("ge", "2026-11-23"), Condition("search_offset", "eq", offset)], OWN, SAMPLE_FIELDS)


def test_a_search_offset_needs_a_timestamp() -> None:
    with pytest.raises(BadRequest, match="search_offset cannot be used without timestamp"):
        question([Condition("search_offset", "eq", "1")], OWN, SAMPLE_FIELDS)


def test_a_search_offset_cannot_leave_the_calendar() -> None:
    with pytest.raises(BadRequest, match="outside the calendar"):
        question([when("ge", "0001-01-01"), Condition("search_offset", "eq", "60")], OWN, SAMPLE_FIELDS)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T06:00:00", SIX),
        ("2026-11-23 06:00", SIX),
        ("2026-11-23T06:00:00Z", SIX),
        ("2026-11-23T08:00:00+02:00", SIX),
        ("20261123T060000Z", SIX),
        ("2026-11-23T06:00:00.000001999", SIX.replace(microsecond=1)),
    ],
)
def test_times_are_read_in_all_forms_of_iso_8601_and_are_utc(text: str, moment: datetime) -> None:
    assert question([when("ge", text)], OWN, SAMPLE_FIELDS).start == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1700000000",
        "2026-13-01",
        "2026-W01-1",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-23T25:00:00",
        "2026-11-23T06:00:00 02:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=r"^Invalid input for field/attribute timestamp\."):
        question([when("ge", text)], OWN, SAMPLE_FIELDS)


@pytest.mark.parametrize(
    "field",
    [
        "",
        "metadata",
        "resource_metadata",
        "metadata.",
        "User",
        "ｕser",
        "user ",
        "user_id\0",
        "id",
        "1=1; --",
        "limit",
        "timestamp_op",
    ],
)
def test_an_unknown_field_is_refused_with_the_known_ones(field: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        question([Condition(field, "eq", "x")], OWN, SAMPLE_FIELDS)

    assert refusal.value.faultstring == (
        f"Unknown argument: \"{field}\": unrecognized field in query: [<Query '{field}' eq 'x' >], valid keys: "
        "['message_id', 'meter', 'project', 'resource', 'search_offset', 'source', 'timestamp', 'user']"
    )


def test_each_endpoint_has_its_own_fields() -> None:
    for field, fields, refusal in (
        ("meter", RESOURCE_FIELDS, "unrecognized field"),
        ("timestamp", METER_FIELDS, "not valid for this resource"),
        ("search_offset", METER_FIELDS, "not valid for this resource"),
    ):
        with pytest.raises(BadRequest, match=refusal):
            question([Condition(field, "ge", "2026-11-23")], OWN, fields)


def test_a_field_cannot_equal_two_values() -> None:
    asked = question(
        [Condition("resource", "eq", "a"), Condition("resource_id", "eq", "b")], OWN, SAMPLE_FIELDS
    )

    assert asked.query.start is not None
    assert asked.query.start == asked.query.end
    assert not asked.query.end_closed


def test_the_same_condition_twice_is_no_contradiction() -> None:
    asked = question(
        [Condition("resource", "eq", "a"), Condition("resource_id", "eq", "a")], OWN, SAMPLE_FIELDS
    )

    assert asked.query == SampleQuery(OWN, resource_id="a")


@pytest.mark.parametrize("project", ["project-b", "project-a ", "PROJECT-A", "", "project-a\0", "%"])
@pytest.mark.parametrize("field", ["project", "project_id"])
def test_another_project_is_refused_wherever_it_stands(field: str, project: str) -> None:
    own = Condition("project", "eq", "project-a")

    for conditions in (
        [Condition(field, "eq", project)],
        [own, Condition(field, "eq", project)],
        [Condition(field, "", project), own],
    ):
        with pytest.raises(NotAuthorized, match=f"^Not Authorized to access project {project}$"):
            question(conditions, OWN, SAMPLE_FIELDS)


def test_the_scope_is_on_every_question() -> None:
    for fields in (METER_FIELDS, RESOURCE_FIELDS, SAMPLE_FIELDS):
        assert question([Condition("project", "eq", "project-a")], OWN, fields).query.scope == OWN
