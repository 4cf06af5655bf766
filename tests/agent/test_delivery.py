import threading
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from agent.delivery import Delivery
from collector.backoff import FIRST_S, LONGEST_S
from storage.sample import Sample
from tests.agent.pretend import NOW, Sink, make_outbox

SAMPLE = Sample("cpu", "cumulative", "ns", 1, "vm", None, NOW, generation="g")


class Watch(threading.Event):
    """A stop event that never sleeps: it notes each wait and calls `act` with their number."""

    def __init__(self, act: Callable[[int], None]) -> None:
        super().__init__()
        self.waits_s: list[float] = []
        self._act = act

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        self._act(len(self.waits_s))
        return self.is_set()


def test_a_transport_that_stays_away_is_tried_ever_more_rarely_and_said_twice(tmp_path: Path) -> None:
    sink = Sink()
    sink.is_down = True
    outbox = make_outbox(tmp_path, sink)
    outbox.put([SAMPLE])

    def heal(waits: int) -> None:
        sink.is_down = waits < 12

    stop = Watch(heal)
    sink.before = lambda: None if sink.is_down else stop.set()
    with capture_logs() as logs:
        Delivery(outbox).run(stop)
    outbox.close()

    assert [entry["event"] for entry in logs] == ["delivery_down", "delivery_up"]
    assert sink.samples == [SAMPLE]
    longest = [min(FIRST_S * 2.0**number, LONGEST_S) for number in range(12)]
    assert all(most / 2 <= wait <= most for wait, most in zip(stop.waits_s, longest, strict=True))


def test_a_fault_of_ours_in_the_transport_costs_no_batch_and_shows_its_traceback(tmp_path: Path) -> None:
    sink = Sink()
    outbox = make_outbox(tmp_path, sink)
    outbox.put([SAMPLE])
    stop = Watch(lambda _waits: stop.set())
    sink.before = lambda: 1 / 0

    with capture_logs() as logs:
        Delivery(outbox).run(stop)
    sink.before = lambda: None
    outbox.deliver()
    outbox.close()

    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)
    assert sink.samples == [SAMPLE]
