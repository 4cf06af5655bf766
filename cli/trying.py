"""What `meter test` and `event test` share: the definition file and the notification to try it on."""

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import WrongUsage
from cli.invocation import LogFormat, of
from collector.envelope import Notification, decode_notification
from collector.errors import InvalidMessage
from storage import log

STDIN = "-"

DefinitionFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="definitions of ours, or of Ceilometer in its own format")
]
SampleFile = Annotated[
    str,
    typer.Option(
        "--sample",
        metavar="FILE",
        help="a notification as JSON, in its envelope or not, event_type and payload at least; - for standard input",
    ),
]


@dataclass(frozen=True, slots=True)
class Given:
    """What was given to try: definitions with the name of their file, and a notification; and when it was."""

    file: str
    definitions: str
    notification: Notification
    now: datetime

    @classmethod
    def of(cls, context: typer.Context, file: Path, sample: str) -> "Given":
        """Read; raises WrongUsage when something cannot be.

        Log lines go to stderr, warnings and worse; no settings are read, for definitions are tried anywhere.
        """
        invoked, now = of(context), datetime.now(UTC)
        log.configure(json=invoked.log_format is LogFormat.JSON, level=invoked.log_level or "warning")
        return cls(str(file), _text_of(file), _notification_of(sample, now), now)


def _text_of(file: Path) -> str:
    """What the file holds; raises WrongUsage when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} cannot be read: {error}") from error


def _notification_of(place: str, now: datetime) -> Notification:
    """The notification in a file; one without a time is from `now`. Raises WrongUsage when there is none."""
    try:
        body = sys.stdin.buffer.read() if place == STDIN else Path(place).read_bytes()
        found = decode_notification(body)
    except OSError as error:
        raise WrongUsage(f"{place} cannot be read: {error}") from error
    except InvalidMessage as error:
        raise WrongUsage(f"{place} holds no notification: {error}") from error
    return found if found.timestamp is not None else replace(found, timestamp=now.isoformat())
