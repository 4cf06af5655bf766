"""nephometer samples: single readings."""

from typing import Annotated, Literal

import typer

from cli import conditions
from cli.client import path
from cli.conditions import Condition
from cli.errors import WrongUsage
from cli.output import columns
from cli.session import Limit, Query, Session, verb
from cli.times import METAVAR, moment

TIMES = ("timestamp", "recorded_at")
COLUMNS = columns(
    "resource_id", "meter", "type", "volume", "unit", "timestamp",
    times=TIMES, hidden=("id", "project_id", "user_id", "source", "recorded_at", "metadata"),
)  # fmt: skip
DETAIL = columns(
    "id", "meter", "type", "volume", "unit", "resource_id", "project_id", "user_id", "source",
    "timestamp", "recorded_at", "metadata",
    times=TIMES,
)  # fmt: skip
CREATED = columns(
    "message_id", "counter_name", "counter_type", "counter_volume", "counter_unit", "resource_id",
    "project_id", "user_id", "source", "timestamp", "resource_metadata",
    times=TIMES,
)  # fmt: skip

app = typer.Typer(help="Samples: single readings of meters.", no_args_is_help=True)


@verb(app, "list")
def list_samples(
    session: Session,
    *,
    meter: Annotated[str | None, typer.Option("-m", "--meter", help="only samples of this meter")] = None,
    query: Query = None,
    limit: Limit = None,
) -> None:
    """Lists samples, the newest first."""
    found = conditions.parse(query or ())
    if meter is not None:
        found.insert(0, Condition("meter", "eq", "", meter))
    parameters = conditions.parameters(found)
    if limit is not None:
        parameters.append(("limit", str(limit)))
    session.show_many(COLUMNS, session.client.many("/v2/samples", parameters), limit)


@verb(app, "show")
def show_sample(
    session: Session, sample_id: Annotated[str, typer.Argument(metavar="SAMPLE", help="its id")]
) -> None:
    """Shows one sample."""
    session.show_one(DETAIL, session.client.one(path("v2", "samples", sample_id)))


@verb(app, "create")
def create_sample(
    session: Session,
    meter: Annotated[str, typer.Argument(help="the meter's name")],
    *,
    resource: Annotated[str, typer.Option("-r", "--resource", help="the resource's id")],
    volume: Annotated[str, typer.Option("-v", "--volume", metavar="NUMBER", help="the reading")],
    unit: Annotated[str, typer.Option("-u", "--unit", help="its unit")],
    kind: Annotated[
        Literal["gauge", "delta", "cumulative"], typer.Option("-t", "--type", help="the meter's type")
    ] = "gauge",
    project: Annotated[
        str | None, typer.Option("--project", help="the owning project (default: your own)")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="the owning user (default: yourself)")] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", metavar=METAVAR, help="when it was read (default: now)")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="about the resource; repeatable"),
    ] = None,
) -> None:
    """Adds one sample."""
    sample: dict[str, object] = {
        "counter_name": meter,
        "counter_type": kind,
        "counter_unit": unit,
        "counter_volume": _number(volume),
        "resource_id": resource,
        "resource_metadata": dict(_pair(text) for text in metadata or ()),
    }
    at = None if timestamp is None else moment("--timestamp", timestamp).isoformat()
    optional = {"project_id": project, "user_id": user, "timestamp": at}
    sample |= {key: value for key, value in optional.items() if value is not None}
    created = session.client.add(path("v2", "meters", meter), [sample])
    session.show_all(CREATED, created)


def _number(text: str) -> int | float:
    """A whole number stays exact, whatever its size."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise WrongUsage(f"--volume {text!r} is not a number") from None


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise WrongUsage(f"--metadata {text!r} is not KEY=VALUE")
    return key, value
