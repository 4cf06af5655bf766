"""Log lines of every role: one event per line on standard error, the libraries' alike, without secrets."""

import logging
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from storage.secrets import MASK, mask_url, names_secret

HANDLER = "nephometer"
# Everything that could begin a second line or drive a terminal.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# pika writes an error for every single attempt to connect; collector.bus tells the change instead.
# alembic tells its context at every look; whoever upgrades tells the revisions.
QUIET = ("pika", "alembic")


def configure(*, json: bool, level: str) -> None:
    """Send every log line to standard error, as JSON or for people, from `level` (debug, info, …) upwards.

    May be called again; the last call holds. Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level {level!r}")
    known: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    structlog.configure(
        processors=[*known, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _replace_handler(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=known, processors=_rendering(json))
    )
    logging.getLogger().setLevel(number)
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if number <= logging.DEBUG else logging.CRITICAL)


def _rendering(json: bool) -> list[Processor]:
    if json:
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ]
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=colors, repr_native_str=True, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _replace_handler(formatter: logging.Formatter) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if handler.name == HANDLER:
            root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(HANDLER)
    handler.setFormatter(formatter)
    root.addHandler(handler)


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own companions of the event
            event[key] = _masked(key, value)
    return event


def _masked(key: str, value: object) -> object:
    if names_secret(key):
        return MASK
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, Mapping):
        return {str(name): _masked(str(name), inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_masked(key, inner) for inner in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return mask_url(repr(value))


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what would break the line in the event itself; the renderer quotes the fields."""
    event["event"] = CONTROL.sub(
        lambda found: found[0].encode("unicode_escape").decode(), str(event["event"])
    )
    return event
