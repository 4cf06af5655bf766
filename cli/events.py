"""nephometer events: what happened."""

from typing import Annotated

import typer

from cli import conditions
from cli.client import Document, path
from cli.conditions import Condition
from cli.output import columns
from cli.session import Limit, Query, Session, verb

COLUMNS = columns("generated", "event_type", "message_id", "traits", times=("generated",), hidden=("raw",))
DETAIL = columns("message_id", "event_type", "generated", "traits", "raw", times=("generated",))
TYPES = columns("event_type")
DESCRIPTIONS = columns("name", "type")
VALUES = columns("name", "type", "value")

app = typer.Typer(help="Events: what happened to resources.", no_args_is_help=True)

EventType = Annotated[
    str, typer.Argument(metavar="TYPE", help="an event type, such as compute.instance.create.end")
]


@verb(app, "list")
def list_events(
    session: Session,
    *,
    event_type: Annotated[
        str | None, typer.Option("-e", "--event-type", metavar="TYPE", help="only events of this type")
    ] = None,
    query: Query = None,
    limit: Limit = None,
    newest: Annotated[bool, typer.Option("--newest", help="the newest first instead of the oldest")] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="EVENT", help="those that follow this event")
    ] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="of every project (for administrators)")
    ] = False,
) -> None:
    """Lists events, the oldest first."""
    found = conditions.parse(query or ())
    if event_type is not None:
        found.append(Condition("event_type", "eq", "", event_type))
    if all_tenants:
        found.append(Condition("all_tenants", "eq", "", "true"))
    parameters = conditions.parameters(found)
    optional = {"limit": limit, "sort": "generated:desc" if newest else None, "marker": after}
    parameters += [(name, str(value)) for name, value in optional.items() if value is not None]
    events = session.client.many("/v2/events", parameters)
    session.show_many(COLUMNS, [_plain(event) for event in events], limit)


@verb(app, "show")
def show_event(
    session: Session, event_id: Annotated[str, typer.Argument(metavar="EVENT", help="its message id")]
) -> None:
    """Shows one event: its traits, and the notification where it was kept."""
    session.show_one(DETAIL, _plain(session.client.one(path("v2", "events", event_id))))


@verb(app, "types")
def list_types(session: Session) -> None:
    """Lists the types of the events there are (for administrators)."""
    names = session.client.texts("/v2/event_types")
    session.show_all(TYPES, [{"event_type": name} for name in names])


@verb(app, "traits")
def list_traits(
    session: Session,
    event_type: EventType,
    name: Annotated[
        str | None, typer.Argument(metavar="[TRAIT]", help="what this trait is in events")
    ] = None,
) -> None:
    """Lists the traits of a type's events, or what one of them is in these (for administrators)."""
    parts = ("v2", "event_types", event_type, "traits")
    if name is None:
        session.show_all(DESCRIPTIONS, session.client.many(path(*parts)))
    else:
        session.show_all(VALUES, session.client.many(path(*parts, name)))


def _plain(event: Document) -> dict[str, object]:
    """The event with its traits as one object: each value by its name."""
    traits = event.get("traits")
    if not isinstance(traits, list):
        return dict(event)
    return {**event, "traits": {one["name"]: one["value"] for one in traits if isinstance(one, dict)}}
