"""Two collectors on one broker, one of them killed every second, the broker restarted: `make torture`.

    python -m tests.torture.collectors [--seconds 60] [--victims both] [--seed 1] [--database mariadb]

Notifications and agents' batches wait in the queues. First two collectors store some in peace, which says how fast
they are; then others while every second the first, or at random one of both, dies by SIGKILL and is started anew, and
the broker is restarted in the middle. In the end every sample and every event is there once. Prints a line of JSON;
exit status 1 when one is not. What is left then is stored in peace: where its rate is not that of the beginning, the
machine had other work, and the ratio says little.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tests.broker import RabbitMQ
from tests.end_to_end.program import Program, eventually
from tests.servers import DatabaseServer, start_mariadb, start_postgresql
from tests.torture.conftest import migrated
from tests.torture.traffic import TICK, Kept, Traffic, declare, make, send, waiting

EVERY_S, SETTLE_S = 1.0, 3.0
ENOUGH = 5_000  # messages for a rate
PER_BATCH = 100  # samples in an agent's batch
BATCH_SHARE = 20  # a batch for so many notifications
MOST = 200_000  # notifications in one queue: more of them are no other test
SERVERS: dict[str, Callable[[], DatabaseServer]] = {
    "postgresql": start_postgresql,
    "mariadb": start_mariadb,
}


@dataclass(slots=True)
class Result:
    """What became of it; rates are messages a second, `calm_again` None where too little was left to tell."""

    messages: int = 0
    samples: int = 0
    kills: int = 0
    seconds: float = 0.0
    calm: float = 0.0
    tortured: float = 0.0
    calm_again: float | None = None
    wrong: tuple[str, ...] = ()


@dataclass(slots=True)
class Pair:
    """Two collectors, each of which can die and be there again."""

    folder: Path
    settings: dict[str, str]
    running: list[Program]

    def replace(self, place: int) -> None:
        """Kill one and start another in its place."""
        self.running[place].kill()
        self.running[place] = self.start()

    def start(self) -> Program:
        return Program("collector", self.folder, self.settings)

    def end(self) -> None:
        for one in self.running:
            one.kill()


def in_peace(sent: Traffic, broker: RabbitMQ, database_url: str, folder: Path) -> float:
    """Messages a second that two collectors store when nothing disturbs them, from the first ones stored on."""
    with ExitStack() as ending:
        kept = ending.enter_context(closing(Kept(database_url)))
        _begin(sent, broker.create_vhost(), database_url, folder, ending)
        eventually(lambda: _stored(kept) > 0, "something is stored", within_s=120)
        begun, first = time.monotonic(), _stored(kept)
        eventually(lambda: kept.has(sent), "all is stored", within_s=600)
        return (_stored(kept) - first) / (time.monotonic() - begun)


def tortured(
    sent: Traffic, broker: RabbitMQ, database_url: str, folder: Path, seconds: float, victims: Iterator[int]
) -> Result:
    """Kills for so long, or until everything is stored, then peace until it is; `victims` says which of the two."""
    result = Result(len(sent.notifications) + len(sent.batches), sent.samples)
    with ExitStack() as ending:
        kept = ending.enter_context(closing(Kept(database_url)))
        bus = broker.create_vhost()
        pair = _begin(sent, bus, database_url, folder, ending)
        eventually(lambda: _stored(kept) > 0, "something is stored", within_s=120)
        begun, first, is_restarted = time.monotonic(), _stored(kept), False
        while (passed := time.monotonic() - begun) < seconds and not kept.has(sent):
            if not is_restarted and passed > seconds / 2:
                broker.restart()
                is_restarted = True
            pair.replace(next(victims))
            result.kills += 1
            time.sleep(max(0.0, begun + (result.kills * EVERY_S) - time.monotonic()))
        result.seconds = time.monotonic() - begun
        result.tortured = (_stored(kept) - first) / result.seconds
        result.calm_again = _rest(kept, sent)
        eventually(lambda: waiting(bus) == 0, "the queues are empty", within_s=60)
        result.wrong = tuple(kept.wrong(sent))
    return result


def _rest(kept: Kept, sent: Traffic) -> float | None:
    """Messages a second that both store of what is left, once they have had time to start."""
    if kept.has(sent):
        return None
    time.sleep(SETTLE_S)
    begun, first = time.monotonic(), _stored(kept)
    eventually(lambda: kept.has(sent), "all is stored", within_s=600)
    left = _stored(kept) - first
    return left / (time.monotonic() - begun) if left >= ENOUGH else None


def _begin(sent: Traffic, bus: str, database_url: str, folder: Path, ending: ExitStack) -> Pair:
    declare(bus)
    send(bus, sent.notifications, sent.batches)
    settings = {"database.url": database_url, "bus.url": bus, "log.level": "error"}
    pair = Pair(folder, settings, [])
    ending.callback(pair.end)
    pair.running += [pair.start(), pair.start()]
    return pair


def _stored(kept: Kept) -> int:
    """How many messages are stored: the events of the notifications, and the batches."""
    return kept.events() + kept.of_meter(TICK)[0] // PER_BATCH


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture.collectors", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victims", choices=("one", "both"), default="one", help="who is killed")
    parser.add_argument("--database", choices=SERVERS, default="postgresql")
    options = parser.parse_args()
    with (
        closing(RabbitMQ()) as broker,
        closing(SERVERS[options.database]()) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        broker.start()
        place, chance = Path(folder), random.Random(options.seed)
        victims = iter(lambda: chance.randrange(2 if options.victims == "both" else 1), None)
        calm = in_peace(_some(20_000), broker, migrated(server.create_database()), place)
        sent = _some(min(MOST, int(calm * options.seconds)))
        result = tortured(sent, broker, migrated(server.create_database()), place, options.seconds, victims)
        result.calm = calm
    ratio = result.tortured / result.calm
    line = {
        "suite": "collectors",
        "database": options.database,
        "victims": options.victims,
        "messages": result.messages,
        "samples": result.samples,
        "kills": result.kills,
        "seconds": round(result.seconds, 1),
        "wrong": list(result.wrong),
        "messages_a_second": {
            "calm": round(result.calm),
            "tortured": round(result.tortured),
            "calm_again": result.calm_again and round(result.calm_again),
        },
        "of_calm_throughput": round(ratio, 2),
        "seed": options.seed,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if not result.wrong else 1


def _some(notifications: int) -> Traffic:
    return make(notifications, notifications // BATCH_SHARE, PER_BATCH)


if __name__ == "__main__":
    sys.exit(main())
