from dataclasses import dataclass, field
from threading import Event

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
