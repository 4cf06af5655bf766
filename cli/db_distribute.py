"""nephometer db distribute: the tables onto the nodes of a cluster."""

import sys
from typing import Annotated

import typer

from cli import output
from cli.database import open_existing, settings_of
from cli.invocation import ConfigFile
from storage.tables import EVERYWHERE
from storage.upkeep.cluster import SHARDS, Cluster, Placement


def distribute(
    context: typer.Context,
    shards: Annotated[
        int, typer.Option(min=1, max=1024, help="pieces of each table; a few for every core of the cluster")
    ] = SHARDS,
    config: ConfigFile = None,
) -> None:
    """Spreads the tables over the nodes of a Citus cluster; what is spread already stays as it is."""
    database = open_existing(settings_of(context, config))
    try:
        placed = Cluster(database).distribute(shards)
    finally:
        database.dispose()
    for one in placed:
        done = "" if one.placement.by is None else " (done now)" if one.is_new else " (was so already)"
        output.write(f"{one.placement.table}: {_words(one.placement)}{done}\n", sys.stdout)


def _words(place: Placement) -> str:
    if place.by is None:
        return "stays with the coordinator"
    if place.by == EVERYWHERE:
        return "copied to every node"
    beside = f", beside {place.beside}" if place.beside else ""
    return f"spread by {place.by}{beside}"
