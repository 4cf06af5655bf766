"""nephometer statistics: what the samples of a meter add up to."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from cli import conditions
from cli.client import Document, Parameters, path
from cli.output import Column, columns
from cli.session import Query, Session, verb

STANDARD = ("count", "min", "max", "sum", "avg")
TIMES = ("period_start", "period_end", "duration_start", "duration_end")

app = typer.Typer(add_completion=False)


@verb(app, "statistics")
def show_statistics(
    session: Session,
    meter: Annotated[str, typer.Argument(help="the meter's name")],
    *,
    query: Query = None,
    period: Annotated[
        int | None,
        typer.Option("-p", "--period", min=1, metavar="SECONDS", help="one row for every so many seconds"),
    ] = None,
    groupby: Annotated[
        list[str] | None,
        typer.Option(
            "-g",
            "--groupby",
            metavar="FIELD",
            help="one row per user_id, resource_id, project_id, source or resource_metadata.instance_type",
        ),
    ] = None,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--aggregate",
            metavar="FUNCTION[<-FIELD]",
            help="only these: avg, sum, min, max, count, stddev, cardinality<-resource_id|user_id|project_id",
        ),
    ] = None,
) -> None:
    """Count, minimum, maximum, sum and average of a meter."""
    parameters = conditions.parameters(conditions.parse(query or ()))
    if period is not None:
        parameters.append(("period", str(period)))
    parameters += [("groupby", field) for field in groupby or ()]
    functions = [_function(text) for text in aggregate or ()]
    parameters += _aggregate_parameters(functions)
    answer = session.client.many(path("v2", "meters", meter, "statistics"), parameters)
    names = ["/".join(filter(None, function)) for function in functions]
    session.show_all(_columns(groupby or (), names, timed=period is not None), [_row(row) for row in answer])


def _function(text: str) -> tuple[str, str]:
    """A function and its parameter, "" when it has none."""
    function, _, parameter = text.partition("<-")
    return function.strip(), parameter.strip()


def _aggregate_parameters(functions: Sequence[tuple[str, str]]) -> Parameters:
    """Functions with a parameter come first: the API gives the n-th parameter to the n-th function."""
    ordered = sorted(functions, key=lambda function: not function[1])
    return [
        *(("aggregate.func", function) for function, _ in ordered),
        *(("aggregate.param", parameter) for _, parameter in ordered if parameter),
    ]


def _columns(groups: Sequence[str], aggregates: Sequence[str], *, timed: bool) -> tuple[Column, ...]:
    """Period, groups and figures; what was not asked for is there under its name, but not shown."""
    periods = ("period_start", "period_end") if timed else ()
    shown = (*periods, *groups, *(aggregates or STANDARD), "unit")
    every = ("period", "period_start", "period_end", "duration", "duration_start", "duration_end", *STANDARD)
    return columns(*shown, times=TIMES, hidden=tuple(name for name in every if name not in shown))


def _row(row: Document) -> Document:
    """A row with its groups and aggregates beside its other fields."""
    flat = dict(row)
    for nested in ("groupby", "aggregate"):
        inner = flat.pop(nested, None)
        if isinstance(inner, Mapping):
            flat |= inner
    return flat
