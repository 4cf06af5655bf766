import socket
import threading

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cli.errors import CliError
from cli.exposition import metrics
from cli.process import Part, run_together
from cli.settings import MetricsSettings


def waits(stop: threading.Event) -> None:
    stop.wait()


def test_what_runs_is_said_at_the_start() -> None:
    stop = threading.Event()
    stop.set()

    with capture_logs() as logged:
        code = run_together([Part("evaluator", waits), Part("delivery", waits)], stop)

    assert code == 0
    assert [line["event"] for line in logged] == ["started", "stopping", "stopped"]
    assert logged[0]["parts"] == ["evaluator", "delivery"]


def test_what_a_part_raises_ends_the_others_and_is_raised_again() -> None:
    def fails(stop: threading.Event) -> None:
        raise CliError("cannot listen")

    ended = threading.Event()

    def other(stop: threading.Event) -> None:
        stop.wait()
        ended.set()

    with pytest.raises(CliError, match=r"^cannot listen$"):
        run_together([Part("api", fails), Part("agent", other)], threading.Event())

    assert ended.is_set()


def test_a_part_that_ends_unasked_is_a_failure() -> None:
    with capture_logs() as logged:
        code = run_together([Part("agent", lambda stop: None)], threading.Event())

    assert code == 1
    assert {"event": "part_ended", "part": "agent", "log_level": "error"} in logged


def test_a_taken_port_of_the_metrics_page_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CliError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            metrics(MetricsSettings(port=port), CollectorRegistry())
