import errno
import io

import pytest

from cli import output
from cli.errors import CliError, WrongUsage
from cli.output import Format, Options

COLUMNS = output.columns("id", "volume", "at", times=("at",), hidden=("labels",))
ROWS = [
    {"id": "r-1", "volume": 2.0, "at": "2026-11-23T12:00:00.123456", "labels": {"a": 1}},
    {"id": "ü, [b]", "volume": -0.25, "at": None, "labels": {}},
]

GOLDEN_MANY = {
    Format.TABLE: """\
+--------+--------+----------------------+
| id     | volume | at                   |
+--------+--------+----------------------+
| r-1    | 2      | 2026-11-23 12:00:00Z |
| ü, [b] | -0.25  |                      |
+--------+--------+----------------------+
""",
    Format.JSON: """\
[
  {
    "id": "r-1",
    "volume": 2.0,
    "at": "2026-11-23T12:00:00.123456Z"
  },
  {
    "id": "ü, [b]",
    "volume": -0.25,
    "at": null
  }
]
""",
    Format.YAML: """\
- id: r-1
  volume: 2.0
  at: '2026-11-23T12:00:00.123456Z'
- id: ü, [b]
  volume: -0.25
  at: null
""",
    Format.CSV: """\
id,volume,at
r-1,2.0,2026-11-23T12:00:00.123456Z
"ü, [b]",-0.25,
""",
    Format.VALUE: "r-1 2.0 2026-11-23T12:00:00.123456Z\nü, [b] -0.25 \n",
}  # fmt: skip

GOLDEN_ONE = {
    Format.TABLE: """\
+--------+-------+
| field  | value |
+--------+-------+
| id     | r-1   |
| labels | a=1   |
+--------+-------+
""",
    Format.JSON: '{\n  "id": "r-1",\n  "labels": {\n    "a": 1\n  }\n}\n',
    Format.YAML: "id: r-1\nlabels:\n  a: 1\n",
    Format.CSV: 'id,labels\nr-1,"{""a"":1}"\n',
    Format.VALUE: 'r-1\n{"a":1}\n',
}


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("chosen", Format)
def test_a_listing_looks_the_same_for_ever(chosen: Format) -> None:
    assert output.render_many(COLUMNS, ROWS, Options(chosen)) == GOLDEN_MANY[chosen]


@pytest.mark.parametrize("chosen", Format)
def test_one_thing_looks_the_same_for_ever(chosen: Format) -> None:
    assert output.render_one(COLUMNS, ROWS[0], Options(chosen, ("id", "labels"))) == GOLDEN_ONE[chosen]


def test_columns_come_in_the_order_asked_for() -> None:
    text = output.render_many(COLUMNS, ROWS[:1], Options(Format.CSV, ("at", "labels", "id")))

    assert text.splitlines()[0] == "at,labels,id"


def test_an_unknown_column_is_answered_with_those_there_are() -> None:
    with pytest.raises(WrongUsage, match=r"no column 'size'; there are: id, volume, at, labels"):
        output.render_many(COLUMNS, ROWS, Options(columns=("size",)))


@pytest.mark.parametrize(
    ("formula", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-cmd", "'-cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\\tx"),
        ("\rx", "'\\rx"),
    ],
)
def test_csv_text_is_never_a_formula(formula: str, cell: str) -> None:
    text = output.render_many(output.columns("id"), [{"id": formula}], Options(Format.CSV))

    assert text == f"id\n{cell}\n"


def test_csv_keeps_negative_numbers_numbers() -> None:
    assert output.render_many(output.columns("v"), [{"v": -5}], Options(Format.CSV)) == "v\n-5\n"


@pytest.mark.parametrize("chosen", [Format.TABLE, Format.VALUE, Format.CSV])
def test_a_name_cannot_drive_the_terminal(chosen: Format) -> None:
    text = output.render_many(
        output.columns("id"), [{"id": "a\x1b[2Jb\nc\u202ed\x9b"}], Options(chosen), width=80
    )

    assert "a\\x1b[2Jb\\nc\\u202ed\\x9b" in text


def test_a_table_folds_to_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    long = {"id": "x" * 100, "volume": 1, "at": "2026-11-23T12:00:00"}

    text = output.render_many(COLUMNS, [long], Options(), width=60)

    assert {len(line) for line in text.splitlines()} == {60}
    assert text.count("x") == 100


def test_a_table_elsewhere_keeps_every_row_on_one_line() -> None:
    text = output.render_many(output.columns("id"), [{"id": "x" * 500}], Options())

    assert "x" * 500 in text
    assert "\x1b" not in text


def test_whole_numbers_beyond_a_doubles_reach_stay_exact() -> None:
    row = {"v": 2**63 - 1}

    texts = {output.render_many(output.columns("v"), [row], Options(chosen)) for chosen in Format}

    assert all("9223372036854775807" in text for text in texts)


def test_text_the_stream_cannot_encode_is_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    output.write("ü\n", stream)

    stream.seek(0)
    assert stream.read() == "\\xfc\n"


def test_a_full_disk_is_an_error_of_one_line() -> None:
    with pytest.raises(CliError, match="cannot write the answer: No space left on device"):
        output.write("x\n", FullDisk())


def test_a_time_with_a_zone_is_shown_in_utc() -> None:
    row = {"at": "2026-11-23T12:00:00+02:00"}

    assert "2026-11-23 10:00:00Z" in output.render_many(output.columns("at", times=("at",)), [row], Options())
