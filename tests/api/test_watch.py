from dataclasses import dataclass, field
from threading import Event, Thread

from structlog.testing import capture_logs

from api.watch import Watch


@dataclass
class Script:
    """A check that finds one thing after the other, and ends the watch with the last."""

    name: str
    reasons: list[str | None]
    stop: Event = field(default_factory=Event)

    def check(self) -> str | None:
        if len(self.reasons) == 1:
            self.stop.set()
            return self.reasons[0]
        return self.reasons.pop(0)


def test_a_change_is_told_once_and_so_is_its_end() -> None:
    script = Script("database", ["no route", "no route", "still none", None])

    with capture_logs() as logged:
        Watch((Script("broker", [None]), script), pause_s=0).run(script.stop)

    assert logged == [
        {"event": "not_ready", "log_level": "warning", "database": "no route"},
        {"event": "ready_again", "log_level": "info"},
    ]


def test_doubt_makes_it_look() -> None:
    script = Script("schema", [None, "run `nephometer db upgrade`", None])
    watch = Watch((script,), pause_s=0)
    watch.doubt("no table hot")

    with capture_logs() as logged:
        watch.run(script.stop)

    assert [line["event"] for line in logged] == ["not_ready", "ready_again"]
    assert logged[0]["schema"] == "run `nephometer db upgrade`"


@dataclass
class Hanging:
    """A check of something that does not answer before it is let go."""

    name: str = "database"
    asked: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)

    def check(self) -> str | None:
        self.asked.set()
        self.let_go.wait()
        return None


def test_a_check_that_hangs_does_not_hold_up_the_end() -> None:
    hanging, stop = Hanging(), Event()
    running = Thread(target=Watch((hanging,)).run, args=(stop,), daemon=True)
    running.start()
    assert hanging.asked.wait(5)

    stop.set()
    running.join(5)
    is_running = running.is_alive()
    hanging.let_go.set()

    assert not is_running


@dataclass
class Broken(Script):
    """A check that fails until it has nothing but None to say."""

    def check(self) -> str | None:
        reason = super().check()
        if reason is not None:
            raise FileNotFoundError(reason)
        return None


def test_a_check_that_fails_is_a_reason_and_logged_once() -> None:
    broken = Broken("schema", ["no amqp://u:hidden@h/"] * 2 + [None])

    with capture_logs() as logged:
        Watch((broken,), pause_s=0).run(broken.stop)

    assert [line["event"] for line in logged] == ["check_failed", "not_ready", "ready_again"]
    assert logged[0]["exc_info"]
    assert logged[1]["schema"] == "FileNotFoundError: no amqp://u:***@h/"
