"""Answers as people and programs want to read them: table, json, csv, yaml, value."""

import csv
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, TextIO

import typer

from cli.errors import CliError, WrongUsage

Kind = Literal["plain", "time"]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
EXACT_FLOAT = 2**53


class Format(StrEnum):
    """How to write an answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    YAML = "yaml"
    VALUE = "value"


OutputFormat = Annotated[Format, typer.Option("-f", "--format", help="how to write the answer")]
ChosenColumns = Annotated[
    list[str] | None,
    typer.Option("-c", "--column", metavar="COLUMN", help="only this column; repeatable"),
]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an answer. A `time` is the API's naive UTC text; `shown`: whether it appears unasked."""

    name: str
    kind: Kind = "plain"
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for: the format and, when not empty, only these columns in this order."""

    format: Format = Format.TABLE
    columns: Sequence[str] = ()


def columns(*names: str, times: Sequence[str] = (), hidden: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of these names in order, those in `hidden` after them; `times` are the ones holding moments."""
    return tuple(
        Column(name, "time" if name in times else "plain", name not in hidden) for name in (*names, *hidden)
    )


def render_many(
    fields: Sequence[Column], rows: Sequence[Mapping[str, object]], options: Options, width: int | None = None
) -> str:
    """A listing as text that ends with a newline; `width` is that of the terminal, None when there is none.

    json and yaml give a list of objects, csv a header and one line per row, value the cells of a row
    separated by a space. Raises WrongUsage for a column that does not exist.
    """
    chosen = _choose(fields, options)
    match options.format:
        case Format.JSON:
            return _json([_machine(chosen, row) for row in rows])
        case Format.YAML:
            return _yaml([_machine(chosen, row) for row in rows])
        case Format.CSV:
            return _csv(chosen, rows)
        case Format.VALUE:
            return "".join(
                " ".join(_words(_moment(c, row), flat=True) for c in chosen) + "\n" for row in rows
            )
        case Format.TABLE:
            lines = [[_human(c, row) for c in chosen] for row in rows]
            return _table([c.name for c in chosen], lines, width)


def render_one(
    fields: Sequence[Column], row: Mapping[str, object], options: Options, width: int | None = None
) -> str:
    """One thing as text: a table of field and value, one object, or (value) one value per line."""
    chosen = _choose(fields, options)
    match options.format:
        case Format.JSON:
            return _json(_machine(chosen, row))
        case Format.YAML:
            return _yaml(_machine(chosen, row))
        case Format.CSV:
            return _csv(chosen, [row])
        case Format.VALUE:
            return "".join(_words(_moment(c, row), flat=True) + "\n" for c in chosen)
        case Format.TABLE:
            return _table(["field", "value"], [[c.name, _human(c, row)] for c in chosen], width)


def show_many(
    fields: Sequence[Column],
    rows: Sequence[Mapping[str, object]],
    options: Options,
    stream: TextIO | None = None,
) -> None:
    """Writes a listing, to standard output unless told otherwise, folded to its terminal."""
    stream = stream or sys.stdout
    write(render_many(fields, rows, options, _width(stream)), stream)


def show_one(
    fields: Sequence[Column], row: Mapping[str, object], options: Options, stream: TextIO | None = None
) -> None:
    """The same of one thing."""
    stream = stream or sys.stdout
    write(render_one(fields, row, options, _width(stream)), stream)


def write(text: str, stream: TextIO) -> None:
    """Writes all of it now; what the stream cannot encode is escaped.

    Raises BrokenPipeError when the reader left, CliError when it cannot be written (a full disk).
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CliError(f"cannot write the answer: {error.strerror or error}") from error


def printable(text: str) -> str:
    """Text that cannot drive a terminal: tenants choose names, so what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _width(stream: TextIO) -> int | None:
    """The width of the terminal behind a stream, None when it is a file or a pipe."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _choose(fields: Sequence[Column], options: Options) -> list[Column]:
    if not options.columns:
        return [field for field in fields if field.shown]
    known = {field.name: field for field in fields}
    for name in options.columns:
        if name not in known:
            raise WrongUsage(f"no column {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in options.columns]


def _machine(fields: Sequence[Column], row: Mapping[str, object]) -> dict[str, object]:
    return {field.name: _moment(field, row) for field in fields}


def _moment(field: Column, row: Mapping[str, object]) -> object:
    """The value for programs: times in RFC 3339 with their zone, everything else as the API wrote it."""
    value = row.get(field.name)
    moment = _time(value) if field.kind == "time" else None
    return value if moment is None else moment.isoformat().replace("+00:00", "Z")


def _human(field: Column, row: Mapping[str, object]) -> str:
    """The value for people: times to the second in UTC, whole numbers without a fraction."""
    value = row.get(field.name)
    moment = _time(value) if field.kind == "time" else None
    if moment is not None:
        return moment.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_FLOAT:
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
    return _words(value)


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)


def _words(value: object, *, flat: bool = False) -> str:
    """Any JSON value as printable text; collections one item per line, or as compact JSON when `flat`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | list | tuple):
        if flat:
            return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        if isinstance(value, Mapping):
            return "\n".join(
                f"{printable(str(key))}={_words(item, flat=True)}" for key, item in value.items()
            )
        return "\n".join(_words(item, flat=True) for item in value)
    return printable(str(value))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=math.inf)


def _csv(fields: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> str:
    """RFC 4180 with plain newlines. Text a spreadsheet would run as a formula gets an apostrophe in front.

    What is not printable is escaped, as everywhere: it may be shown by a terminal, and JSON keeps it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields])
    for row in rows:
        writer.writerow([_csv_cell(_moment(field, row)) for field in fields])
    return text.getvalue()


def _csv_cell(value: object) -> str:
    if isinstance(value, int | float):
        return _words(value)
    text = value if isinstance(value, str) else _words(value, flat=True)
    return ("'" if text.startswith(FORMULA_STARTS) else "") + printable(text)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Drawn with lines and folded to a terminal's width; ASCII, unfolded and without colour elsewhere."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ASCII2 if width is None else box.ROUNDED, header_style="bold", show_edge=True)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    text = io.StringIO()
    if width is None:
        console = Console(file=text, width=1_000_000, color_system=None, force_terminal=False)
    else:
        color_system: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
        console = Console(file=text, width=width, color_system=color_system, force_terminal=True)
    console.print(table, soft_wrap=width is None)
    return text.getvalue()
