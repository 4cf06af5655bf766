"""Ceilometer's own notification agent, from PyPI, in an environment of its own: what we are compared with.

`make peers` and `make bench` install it (`.ci/peers`). It runs as its operators run it, but for one thing: its samples
and events go to files, as JSON lines.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pika
import psutil

from tests.servers import Missing

ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / ".cache" / "ceilometer" / "bin" / "ceilometer-agent-notification"
# Where services send, and the queue of that name which oslo.messaging declares for them and for the agent alike.
EXCHANGE, QUEUE = "nova", "notifications.info"

_SETTINGS = """\
[DEFAULT]
transport_url = {url}
max_parallel_requests = {parallel}
[notification]
{pipelines}
[oslo_messaging_notifications]
transport_url = {url}
"""
_PIPELINE = """\
sources:
  - {{name: everything, meters: ["*"], sinks: [file]}}
sinks:
  - {{name: file, publishers: ["file://{file}?json"]}}
"""
_EVENTS = """\
sources:
  - {{name: everything, events: ["*"], sinks: [file]}}
sinks:
  - {{name: file, publishers: ["file://{file}?json"]}}
"""
BOTH, METERS = ("meter", "event"), ("meter",)  # what it does by itself, and half of it


@dataclass(slots=True)
class Agent:
    """A running agent of this process id, and the files its samples and its events go to."""

    pid: int
    file: Path
    events: Path
    _read: int = 0
    _written: int = 0

    def lines(self) -> list[bytes]:
        """The samples it has written since the last call, each as JSON."""
        if not self.file.exists():
            return []
        with self.file.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        lines = whole.splitlines()
        self._written += len(lines)
        return lines

    def written(self) -> int:
        """How many samples it has written by now."""
        self.lines()
        return self._written


def declare(url: str) -> None:
    """The exchange and the queue of the services as oslo.messaging declares them; what is sent waits there."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=False)
    channel.queue_declare(QUEUE, durable=False, auto_delete=False)
    channel.queue_bind(QUEUE, EXCHANGE, QUEUE)
    connection.close()


def is_installed() -> bool:
    """Whether there is one to run."""
    return PROGRAM.exists()


@contextmanager
def running(
    url: str, folder: Path, *, parallel: int = 64, pipelines: Sequence[str] = BOTH
) -> Iterator[Agent]:
    """One agent on this broker, working on `parallel` messages at once (64 is its default).

    Raises Missing where it is not installed.
    """
    if not is_installed():
        raise Missing(f"{PROGRAM} is not installed: make peers")
    rabbit = url.replace("amqp://", "rabbit://")
    file, settings = folder / "samples.jsonl", folder / "ceilometer.conf"
    events, lines = folder / "events.jsonl", "\n".join(f"pipelines = {name}" for name in pipelines)
    settings.write_text(_SETTINGS.format(url=rabbit, parallel=parallel, pipelines=lines))
    (folder / "pipeline.yaml").write_text(_PIPELINE.format(file=file))
    (folder / "event_pipeline.yaml").write_text(_EVENTS.format(file=events))
    options = ["--config-file", str(settings), "--config-dir", str(folder)]
    command = ["setpriv", "--pdeathsig", "TERM", str(PROGRAM), *options]
    with (folder / "ceilometer.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Agent(process.pid, file, events)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it and its worker, which does the work."""
    workers = psutil.Process(process.pid).children() if process.poll() is None else []
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for worker in psutil.wait_procs(workers, timeout=5)[1]:
        worker.kill()
