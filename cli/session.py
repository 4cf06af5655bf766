"""What every verb that asks the API has in common: its options, its connection, its printing."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, TextIO

import typer

from cli import output
from cli.client import Client, Document
from cli.output import ChosenColumns, Column, Format, Options, OutputFormat

DEFAULT_URL = "http://127.0.0.1:8777"
SERVER_LIMIT = 100
"""Rows the API answers with when no limit is asked for (Ceilometer's default_api_return_limit)."""

Query = Annotated[
    list[str] | None,
    typer.Option("-q", "--query", metavar="'FIELD<OP>[TYPE::]VALUE;…'", help="only what matches; repeatable"),
]
Limit = Annotated[
    int | None, typer.Option("-l", "--limit", min=1, help="at most this many rows, the newest (server: 100)")
]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Session:
    """One command's connection and how its answer is to be printed."""

    client: Client
    options: Options
    out: TextIO
    talk: TextIO

    def show_many(
        self, columns: Sequence[Column], rows: Sequence[Mapping[str, object]], limit: int | None
    ) -> None:
        """Prints a listing, and says on stderr when the server may have cut it without being asked to."""
        self.show_all(columns, rows)
        if limit is None and len(rows) == SERVER_LIMIT:
            self.say(f"{len(rows)} rows shown, there may be more: ask with --limit or -q.")

    def show_all(self, columns: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> None:
        """Prints a listing that the server never cuts."""
        if not rows and self.options.format is Format.TABLE:
            self.say("Nothing found.")
            return
        output.show_many(columns, rows, self.options, self.out)

    def show_one(self, columns: Sequence[Column], row: Document) -> None:
        """Prints one thing."""
        output.show_one(columns, row, self.options, self.out)

    def tell(self, text: str) -> None:
        """A line of data on stdout, at once."""
        output.write(text + "\n", self.out)

    def say(self, text: str) -> None:
        """Tells the person, not the program: a line on stderr."""
        output.write(text + "\n", self.talk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The options of every verb."""

    url: Annotated[str, typer.Option(envvar="NEPHOMETER_URL", help="the API server")] = DEFAULT_URL
    token: Annotated[
        str | None,
        typer.Option(envvar="NEPHOMETER_TOKEN", help="sent as X-Auth-Token; the variable hides it from `ps`"),
    ] = None
    cacert: Annotated[
        str | None,
        typer.Option(envvar="NEPHOMETER_CACERT", metavar="FILE", help="certificate authorities to trust"),
    ] = None
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="how long to wait")] = 60.0
    output_format: OutputFormat = Format.TABLE
    column: ChosenColumns = None


def verb(app: typer.Typer, name: str) -> Callable[[Callable[Concatenate[Session, P], None]], None]:
    """Mounts a function on `app` as a verb that talks to the API.

    The function gets an open Session first; its other parameters are options and arguments of its own, and
    the common ones (--url --token --cacert --timeout -f -c) are added to them. A parameter that is a dataclass
    stands for options, one for each of its fields.
    """

    def mount(function: Callable[Concatenate[Session, P], None]) -> None:
        own = list(inspect.signature(function).parameters.values())[1:]
        groups = {each.name: each.annotation for each in own if _is_group(each)}
        parameters = [option for each in own for option in _options(each)] + _fields(Common)

        @functools.wraps(function)
        def command(*args: P.args, **given: P.kwargs) -> None:
            session = _open(_taken(Common, given))
            for name, group in groups.items():
                given[name] = _taken(group, given)
            with session.client:
                function(session, *args, **given)

        del command.__wrapped__  # typer must see the new signature, not the old one
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(command)

    return mount


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    return _fields(parameter.annotation) if _is_group(parameter) else [parameter]


def _is_group(parameter: inspect.Parameter) -> bool:
    return is_dataclass(parameter.annotation)


def _fields(group: type[Any]) -> list[inspect.Parameter]:  # Any: a dataclass of options
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(each.name, kind, default=each.default, annotation=each.type)
        for each in fields(group)
    ]


def _taken(group: type[Any], given: dict[str, Any]) -> Any:  # Any: as above; typer checked each value
    """The options of a dataclass, taken out of what was given."""
    return group(**{each.name: given.pop(each.name) for each in fields(group)})


def _open(common: Common) -> Session:
    client = Client(common.url, common.token, cacert=common.cacert, timeout_s=common.timeout)
    options = Options(common.output_format, common.column or ())
    return Session(client, options, sys.stdout, sys.stderr)
