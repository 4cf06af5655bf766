from types import SimpleNamespace

from pydantic import SecretStr

from collector.settings import BusSettings
from collector.topology import feeds
from collector.wiring import Wiring

SETTINGS = BusSettings(url=SecretStr("amqp://broker/cloud"), exchanges=("nova", "glance"))


class Broker:
    """A broker that refuses every question about some names, and remembers what it was asked."""

    def __init__(self, *forbidden: str, lacks: tuple[str, ...] = ()) -> None:
        self._forbidden, self._lacks = forbidden, lacks
        self.created: list[tuple[object, ...]] = []
        self.bound: list[tuple[object, ...]] = []

    def ask(self, method: str, *arguments: str, **options: object) -> object:
        if not set(self._forbidden).isdisjoint(arguments):
            return None
        if options.get("passive"):
            return (
                None
                if arguments[0] in self._lacks
                else SimpleNamespace(method=SimpleNamespace(message_count=7))
            )
        (self.bound if method == "queue_bind" else self.created).append(arguments)
        return SimpleNamespace()


def wiring(broker: Broker) -> Wiring:
    return Wiring(broker.ask, SETTINGS, feeds(SETTINGS)[0])


def test_what_exists_is_bound_and_never_declared() -> None:
    broker = Broker()

    assert wiring(broker).bind() == []
    assert broker.created == []
    assert ("nephometer.notifications", "nova", "versioned_notifications.info") in broker.bound
    assert ("nephometer.notifications", "nova", "notifications.error") in broker.bound


def test_only_what_is_absent_is_created() -> None:
    broker = Broker(lacks=("glance", "nephometer.samples"))

    wiring(broker).bind()

    assert broker.created == [("glance", "topic"), ("nephometer.samples",)]


def test_an_exchange_we_may_not_touch_is_named_and_the_others_are_bound() -> None:
    broker = Broker("nova")

    assert wiring(broker).bind() == ["nova"]
    assert ("nephometer.notifications", "glance", "notifications.info") in broker.bound


def test_looking_changes_nothing() -> None:
    broker = Broker(lacks=("glance", "nephometer.dead"))

    state = wiring(broker).state()

    assert (broker.created, broker.bound) == ([], [])
    assert state.missing_exchanges == ("nephometer.dead", "glance")
    assert state.waiting == {"nephometer.samples": 7, "nephometer.notifications": 7}
    assert state.address == "broker/cloud"
