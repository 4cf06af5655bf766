from types import SimpleNamespace

from pydantic import SecretStr

from collector.settings import BusSettings
from collector.topology import Depth, feeds
from collector.wiring import Wiring

SETTINGS = BusSettings(url=SecretStr("amqp://broker/cloud"), exchanges=("nova", "glance"))


class Broker:
    """A broker that refuses every question about some names, and remembers what it was asked."""

    def __init__(self, *forbidden: str, lacks: tuple[str, ...] = ()) -> None:
        self._forbidden, self._lacks = forbidden, lacks
        self.created: list[tuple[object, ...]] = []
        self.bound: list[tuple[object, ...]] = []
        self.differences: dict[str, str] = {}

    def ask(self, method: str, *arguments: object, **options: object) -> object:
        if not set(self._forbidden).isdisjoint(arguments):
            return None
        if options.get("passive"):
            return (
                None
                if arguments[0] in self._lacks
                else SimpleNamespace(method=SimpleNamespace(message_count=7, consumer_count=1))
            )
        (self.bound if method == "queue_bind" else self.created).append(arguments)
        return SimpleNamespace()

    def objection(self, method: str, *arguments: object, **options: object) -> str:
        said = self.differences.get(str(arguments[0]), "")
        if not said and arguments[0] in self._lacks:
            self.created.append(arguments)
        return said


def wiring(broker: Broker) -> Wiring:
    return Wiring(broker, SETTINGS, feeds(SETTINGS)[0])


def test_what_exists_is_bound_and_never_declared() -> None:
    broker = Broker()

    assert wiring(broker).bind().unbound == []
    assert broker.created == []
    assert ("nephometer.notifications", "nova", "versioned_notifications.info") in broker.bound
    assert ("nephometer.notifications", "nova", "notifications.error") in broker.bound


def test_only_what_is_absent_is_created() -> None:
    broker = Broker(lacks=("glance", "nephometer.samples"))

    wiring(broker).bind()

    assert broker.created == [("glance", "topic"), ("nephometer.samples",)]


def test_an_exchange_we_may_not_touch_is_named_and_the_others_are_bound() -> None:
    broker = Broker("nova")

    assert wiring(broker).bind().unbound == ["nova"]
    assert ("nephometer.notifications", "glance", "notifications.info") in broker.bound


def test_looking_changes_nothing() -> None:
    broker = Broker(lacks=("glance", "nephometer.dead"))

    state = wiring(broker).state(thoroughly=True)

    assert (broker.created, broker.bound) == ([], [])
    assert state.missing_exchanges == ("nephometer.dead", "glance")
    assert state.queues == {"nephometer.samples": Depth(7, 1), "nephometer.notifications": Depth(7, 1)}
    assert state.waiting == 14
    assert {"notifications.info", "versioned_notifications.error", "event.sample"} <= set(state.others)
    assert state.address == "broker/cloud"


def test_only_a_queue_of_other_properties_differs_and_not_one_we_may_not_declare() -> None:
    broker = Broker()
    broker.differences = {
        "nephometer.samples": "PRECONDITION_FAILED - inequivalent arg 'x-max-length'",
        "nephometer.notifications": "ACCESS_REFUSED - access refused",
    }

    assert list(wiring(broker).differing()) == ["nephometer.samples"]


def test_a_queue_the_broker_does_not_allow_is_told_and_its_bindings_are_not_missed() -> None:
    broker = Broker("archive", lacks=("archive",))
    broker.differences = {"archive": "PRECONDITION_FAILED - invalid queue type"}
    settings = SETTINGS.model_copy(update={"stream": "archive"})

    bound = Wiring(broker, settings, feeds(settings)[0]).bind()

    assert bound.refused == {"archive": "PRECONDITION_FAILED - invalid queue type"}
    assert bound.unbound == []
    assert {binding[0] for binding in broker.bound} >= {"nephometer.notifications"}
