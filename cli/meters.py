"""nephometer meters: which meters there are."""

from typing import Annotated

import typer

from cli import conditions
from cli.output import columns
from cli.session import Limit, Query, Session, verb

COLUMNS = columns(
    "name", "type", "unit", "resource_id", "project_id", hidden=("user_id", "source", "meter_id")
)
UNIQUE = columns("name", "type", "unit")

app = typer.Typer(help="Meters: what is measured, on which resources.", no_args_is_help=True)


@verb(app, "list")
def list_meters(
    session: Session,
    *,
    query: Query = None,
    unique: Annotated[bool, typer.Option("--unique", help="each meter once, without its resources")] = False,
    limit: Limit = None,
) -> None:
    """Lists meters, one line per meter and resource."""
    parameters = conditions.parameters(conditions.parse(query or ()))
    if unique:
        parameters.append(("unique", "True"))
    if limit is not None:
        parameters.append(("limit", str(limit)))
    session.show_many(UNIQUE if unique else COLUMNS, session.client.many("/v2/meters", parameters), limit)
