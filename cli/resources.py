"""nephometer resources: what is measured."""

from typing import Annotated

import typer

from cli import conditions
from cli.client import Document, path
from cli.output import columns
from cli.session import Limit, Query, Session, verb

TIMES = ("first_sample_timestamp", "last_sample_timestamp")
COLUMNS = columns("resource_id", "project_id", "user_id", *TIMES, times=TIMES, hidden=("source", "metadata"))
DETAIL = columns("resource_id", "project_id", "user_id", "source", *TIMES, "metadata", "meters", times=TIMES)
SEGMENT_COLUMNS = columns(
    "start", "end", "project_id", "type", "size", "status", "zone", "name",
    times=("start", "end"), hidden=("kind", "resource_id", "attributes"),
)  # fmt: skip

app = typer.Typer(
    help="Resources: instances, volumes, networks, nodes and all else that has meters.", no_args_is_help=True
)


@verb(app, "list")
def list_resources(session: Session, *, query: Query = None, limit: Limit = None) -> None:
    """Lists resources with the time they were first and last seen."""
    parameters = [*conditions.parameters(conditions.parse(query or ())), ("meter_links", "0")]
    if limit is not None:
        parameters.append(("limit", str(limit)))
    session.show_many(COLUMNS, session.client.many("/v2/resources", parameters), limit)


@verb(app, "show")
def show_resource(
    session: Session,
    resource_id: Annotated[str, typer.Argument(metavar="RESOURCE", help="the resource's id")],
) -> None:
    """Shows one resource: its latest metadata and the meters it has."""
    resource = session.client.one(path("v2", "resources", resource_id))
    session.show_one(DETAIL, {**resource, "meters": _meters(resource)})


@verb(app, "segments")
def list_segments(
    session: Session,
    resource_id: Annotated[str, typer.Argument(metavar="RESOURCE", help="the resource's id")],
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", help="instance, volume …: where several kinds share the id")
    ] = None,
) -> None:
    """Shows the life of a resource: from when to when it was of which flavour, size, status and project."""
    parameters = [] if kind is None else [("kind", kind)]
    found = session.client.many(path("v3", "resources", resource_id, "segments"), parameters)
    session.show_all(SEGMENT_COLUMNS, found)
    if not found:
        session.say(f"It has no segments: nothing that came tells of the life of {resource_id}.")


def _meters(resource: Document) -> list[str]:
    """The meters of a resource, by name: its links, except the one to itself."""
    links = resource.get("links")
    if not isinstance(links, list):
        return []
    return sorted(str(link["rel"]) for link in links if isinstance(link, dict) and link.get("rel") != "self")
