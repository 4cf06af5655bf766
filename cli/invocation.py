"""What was said before the command: `nephometer --config FILE --log-level LEVEL … COMMAND`.

`--config` is understood after the command too, where people look for it.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError

if TYPE_CHECKING:
    from cli.settings import Loaded


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="settings instead of /etc/nephometer/nephometer.toml"),
]


class LogLevel(StrEnum):
    """From which severity on log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks; `auto` is for people on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options; None leaves it to the settings, and those to their usual places."""

    config: Path | None
    log_level: LogLevel | None
    log_format: LogFormat | None

    def settings(self, defaults: Mapping[str, Mapping[str, object]] | None = None) -> "Loaded":
        """The settings this command runs with; raises WrongUsage when they are wrong."""
        from cli import settings

        return settings.load(self.config, os.environ, defaults=defaults)

    def start_logging(self, loaded: "Loaded", *, unasked: LogLevel | None = None) -> None:
        """Sends log lines to stderr in the format and from the level asked for.

        Without --log-level the level is `unasked` (for commands that answer and end), else that of the settings.
        """
        from storage import log

        wanted = self.log_format or LogFormat(loaded.settings.log.format)
        is_json = wanted is LogFormat.JSON or (wanted is LogFormat.AUTO and not sys.stderr.isatty())
        log.configure(json=is_json, level=self.log_level or unasked or loaded.settings.log.level)


def read_settings(context: typer.Context, config: Path | None) -> "Loaded":
    """The settings of a command that answers and ends; from here on its log lines go to stderr, warnings and worse."""
    invoked = of(context, config)
    loaded = invoked.settings()
    invoked.start_logging(loaded, unasked=LogLevel.WARNING)
    return loaded


def of(context: typer.Context, config: Path | None = None) -> Invocation:
    """The global options of the running command; a `config` said after the command counts more."""
    invocation = context.find_root().obj
    if not isinstance(invocation, Invocation):
        raise CliError("this command needs to be started as `nephometer`")
    return invocation if config is None else replace(invocation, config=config)
