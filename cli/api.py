import threading
from collections.abc import Callable

from api.app import create_app
from api.auth import authenticator, check_exposure
from api.dependencies import Services
from api.server import serve
from api.watch import Watch
from cli import broker
from cli.parts import Server
from cli.process import Part
from cli.schema import DatabaseCheck, SchemaCheck
from cli.settings import Loaded
from cli.watching import signer
from storage.alarms import Alarms
from storage.deliveries import Deliveries
from storage.event_search import EventSearch
from storage.resources import Resources
from storage.samples import Samples
from storage.segments import Segments
from storage.statistics import Statistics
from storage.upkeep.retention import kept


def run(loaded: Loaded) -> int:
    """The API server, until it is told to stop; returns the exit code."""
    server = Server.of(loaded.settings)
    return server.run(api(server), threading.Event())


def api(server: Server, on_started: Callable[[str], None] | None = None) -> list[Part]:
    """The API server, and its look at what it needs; raises StartRefused when strangers could call it."""
    settings, database = server.settings, server.database
    check_exposure(settings.api, settings.auth)
    deliveries = Deliveries(database)
    watch = Watch((DatabaseCheck(database), SchemaCheck(database), *broker.checks(settings.bus)))
    services = Services(
        samples=Samples(database),
        statistics=Statistics(database),
        resources=Resources(database),
        events=EventSearch(database),
        segments=Segments(database),
        alarms=Alarms(database),
        deliveries=deliveries,
        signer=signer(server, deliveries),
        pipeline=server.pipeline,
        auth=authenticator(settings.auth),
        watch=watch,
        settings=settings.api,
        alarm_settings=settings.alarms,
        registry=server.registry,
        kept=lambda: kept(database),
    )
    app = create_app(services)
    return [
        Part("api", lambda stop: serve(app, settings.api, stop, on_started)),
        Part("readiness", watch.run),
    ]
