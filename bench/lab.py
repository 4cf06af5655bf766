"""What the cases work with: servers, workloads and filled stores, each made when the first case asks for it."""

import functools
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from bench import servers
from bench.filling import Filler, Filling
from bench.messages import Visit
from bench.peers.rollup import Filled
from bench.processes import Service, nephometer, peer
from bench.product import Store
from bench.workload import DAY, POLLS_A_DAY, SECOND, Size, Workload, make
from tests.broker import RabbitMQ
from tests.servers import DatabaseServer

LIVE = 8 * 60 * SECOND  # less than the time after which an hour is closed
Span = Literal["half day", "day", "month"]


class Closable(Protocol):
    """What ends with the lab."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


@dataclass(frozen=True, slots=True)
class Scale:
    """How large everything is.

    Stores that are filled get their upkeep every `upkeep_hours`.
    `spare` are polls after the month (and after its last day), not in any store until a case sends them.
    `waiting` messages wait while a collector's memory is looked at, for `watch_s` seconds at least.
    `notifications` come from services.
    """

    half_day: Size
    month: Size
    upkeep_hours: int
    spare: int
    rounds: int
    collections: int
    waiting: int
    watch_s: float
    notifications: int


FULL = Scale(
    half_day=Size(1000, 100, 50, POLLS_A_DAY // 2),
    month=Size(200, 100, 10, 30 * POLLS_A_DAY),
    upkeep_hours=1,
    spare=144,
    rounds=15,
    collections=2,
    waiting=1_000_000,
    watch_s=20,
    notifications=40_000,
)
# Two projects and two days: every layer there is, and over in seconds.
SHORT = Scale(
    half_day=Size(20, 10, 3, 30),
    month=Size(4, 2, 2, 2 * POLLS_A_DAY),
    upkeep_hours=8,
    spare=24,
    rounds=2,
    collections=1,
    waiting=500,
    watch_s=0,
    notifications=300,
)


class Lab:
    """Closed at the end of the run, with everything it started."""

    def __init__(self, scale: Scale, tell: Callable[[str], None]) -> None:
        self.scale, self._tell, self._case = scale, tell, ""
        self._closing = ExitStack()
        self.folder = Path(
            self._closing.enter_context(tempfile.TemporaryDirectory(prefix="nephometer-bench-"))
        )
        self._folders = self._stores = 0
        # Each is made once for a span.
        self.filled, self.rolled_up = functools.cache(self._filled), functools.cache(self._rolled_up)
        self.api, self.web = functools.cache(self._api), functools.cache(self._web)
        # Midnight, so that runs differ in nothing but the date; lately, so that nothing is too old or too new.
        midnight = int(datetime.now(UTC).timestamp()) * SECOND // DAY * DAY
        self._noon, self._midnight = midnight - DAY // 2, midnight - DAY

    def close(self) -> None:
        self._closing.close()

    def begin(self, case: str) -> None:
        """What is said from now on belongs to this case."""
        self._case = case
        self._tell(case)

    def say(self, step: str) -> None:
        """Tells whoever waits what takes so long."""
        self._tell(f"{self._case}: {step}")

    def new_folder(self) -> Path:
        """A folder of one's own."""
        self._folders += 1
        folder = self.folder / str(self._folders)
        folder.mkdir()
        return folder

    @functools.cached_property
    def postgresql(self) -> DatabaseServer:
        self.say("starting PostgreSQL")
        return self._closed_at_end(servers.postgresql())

    @functools.cached_property
    def mariadb(self) -> DatabaseServer:
        self.say("starting MariaDB")
        return self._closed_at_end(servers.mariadb())

    @functools.cached_property
    def rabbitmq(self) -> RabbitMQ:
        self.say("starting RabbitMQ")
        broker = self._closed_at_end(RabbitMQ())
        broker.start()
        return broker

    @functools.cached_property
    def half_day(self) -> Workload:
        return make(self.scale.half_day, self._noon - DAY // 2)

    def live(self) -> Workload:
        """As many samples as in half a day, all of the last minutes: what a running collector takes for new."""
        size = replace(self.scale.half_day, step=LIVE // self.scale.half_day.polls)
        return make(size, int(datetime.now(UTC).timestamp()) * SECOND - LIVE)

    @functools.cached_property
    def month_and_more(self) -> Workload:
        """The month, and the spare polls after it."""
        size = self.scale.month
        whole = Size(size.instances, size.project, size.hosts, size.polls + self.scale.spare)
        return make(whole, self._midnight - size.polls // POLLS_A_DAY * DAY)

    def workload(self, span: Span) -> Workload:
        """Everything a store of this span holds."""
        if span == "half day":
            return self.half_day
        polls = self.scale.month.polls
        return self.month_and_more.part(0 if span == "month" else polls - POLLS_A_DAY, polls)

    def _filled(self, span: Span) -> Filling:
        """Our store of this workload in PostgreSQL, filled hour by hour as it would be, with its upkeep."""
        self.say(f"filling our store: {span}")
        server = self.postgresql
        return self.fill(server.create_database(), self.workload(span), server_pid=server.pid)

    def fill(
        self,
        url: str,
        workload: Workload,
        *,
        server_pid: int | None = None,
        withheld: Collection[Visit] = frozenset(),
    ) -> Filling:
        """An empty database with this workload, but without the visits withheld."""
        filler = Filler(Store.create(url), self.scale.upkeep_hours, self.say, server_pid)
        return filler.fill(workload, withheld)

    def _rolled_up(self, span: Span) -> str:
        """Rows and roll-up of this workload, by the URL of their database."""
        self.say(f"filling rows + roll-up: {span}")
        url = self.postgresql.create_database()
        peer = Filled(url)
        peer.bulk(self.workload(span))
        peer.tidy()
        return url

    def _api(self, span: Span) -> Service:
        """Our API on the store of this workload, a process of its own."""
        settings = {"database.url": self.filled(span).url}
        return self._closed_at_end(nephometer("api", self.new_folder(), "api.port", settings))

    def _web(self, span: Span) -> Service:
        """Rows and roll-up of this workload behind HTTP."""
        return self._closed_at_end(peer("web", self.new_folder(), self.rolled_up(span)))

    @functools.cached_property
    def bare(self) -> Service:
        """A server that has its answers ready."""
        return self._closed_at_end(peer("bare", self.new_folder()))

    def clone(self, url: str) -> str:
        """A copy of a PostgreSQL database to write to."""
        self._stores += 1
        return servers.clone(url, f"clone_{self._stores}")

    def _closed_at_end(self, thing: T) -> T:
        self._closing.callback(thing.close)
        return thing
