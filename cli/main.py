"""The command `nephometer`.

Exit codes: 0 done, 1 it failed, 2 the command line or a setting is wrong, 3 no API server answered,
130 ended by Ctrl-C.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from agent.errors import AgentError
from api.errors import CannotListen, StartRefused
from cli import invocation
from cli.errors import CliError, WrongUsage
from cli.invocation import ConfigFile, Invocation, LogFormat, LogLevel
from cli.starting import as_if_absent, without_collecting
from collector.errors import CollectorError
from storage.errors import InvalidAddress, StorageError

if TYPE_CHECKING:
    from cli.settings import Loaded

FAILED = 1
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Mounted:
    """A command whose module is imported only when it is used: `app` is a typer app, a role has `run`."""

    name: str
    help: str
    is_role: bool = False


MOUNTED = (
    Mounted("up", "Run every role in one process; the quickest way to see it work.", is_role=True),
    Mounted("agent", "Run the agent: sample this machine and its instances.", is_role=True),
    Mounted("collector", "Run the collector: turn what arrives into stored samples.", is_role=True),
    Mounted("api", "Run the API server.", is_role=True),
    Mounted("evaluator", "Run the alarm evaluator.", is_role=True),
    Mounted("db", "Create, upgrade, check, maintain, measure and distribute the database."),
    Mounted("config", "Show and check the settings."),
    Mounted("publishers", "What other systems are owed: list, replay, forget."),
    Mounted("quarantine", "Show what was refused, and why."),
    Mounted("replay", "Derive samples, events and lives again from notifications of the past."),
    Mounted("doctor", "Check database, broker, publishers, libvirt, clock and disk; say what to do."),
    Mounted("tail", "Show live notifications and what becomes of each."),
    Mounted("meter", "Try definitions of meters on a notification."),
    Mounted("event", "Try definitions of events on a notification."),
    Mounted("meters", "List meters."),
    Mounted("samples", "List, show and create samples."),
    Mounted("resources", "List and show resources."),
    Mounted("events", "List and show events, their types and traits."),
    Mounted("statistics", "Count, minimum, maximum, sum and average of a meter."),
    Mounted("alarms", "List, show, create, change and delete alarms."),
)


class LazyGroup(TyperGroup):
    """Knows its commands by name and help; imports the module of the one that is used."""

    def __init__(self, **attributes: Any) -> None:  # Any: handed through as typer gave them
        super().__init__(**attributes)
        for mounted in MOUNTED:
            self.add_command(TyperCommand(mounted.name, help=mounted.help, rich_markup_mode=None))

    # Any: typer's own types are private.
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command a word names, loaded, and the arguments after it."""
        name, command, rest = super().resolve_command(ctx, args)
        mounted = next((mounted for mounted in MOUNTED if mounted.name == name), None)
        return name, command if mounted is None else _load(mounted), rest


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; an expected error is one line on stderr."""
    try:
        app(None if arguments is None else list(arguments), prog_name="nephometer")
    except CliError as error:
        _fail(error, error.exit_code)
    except (InvalidAddress, StartRefused) as error:
        _fail(error, WrongUsage.exit_code)
    except (AgentError, CannotListen, CollectorError, StorageError) as error:
        _fail(error, FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # 25 ms, only needed here

        sys.stdout.write(f"nephometer {version('nephometer')}\n")
        raise typer.Exit


@app.callback()
def _front(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="NEPHOMETER_CONFIG",
            metavar="FILE",
            help="settings instead of /etc/nephometer/nephometer.toml",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None, typer.Option(help="log from this severity on, whatever log.level says")
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="how log lines look, whatever log.format says")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="show the version and exit"),
    ] = False,
) -> None:
    """Usage metering for OpenStack clouds."""
    context.obj = Invocation(config, log_level, log_format)


def _load(mounted: Mounted) -> object:
    """The typer command itself (a type typer keeps private); importing its module is what takes time."""
    with without_collecting():
        loaded: typer.Typer = (
            _role(mounted) if mounted.is_role else importlib.import_module(f"cli.{mounted.name}").app
        )
    loaded.rich_markup_mode = None
    is_single = [command.name for command in loaded.registered_commands] == [mounted.name]
    return get_command(loaded) if is_single else get_group(loaded)


def _role(mounted: Mounted) -> typer.Typer:
    """The command of a role: its module has `run(settings) -> exit code`, and DEFAULTS where it has its own."""
    role = typer.Typer(add_completion=False)

    @role.command(mounted.name, help=mounted.help)
    def start(context: typer.Context, config: ConfigFile = None) -> None:
        invoked = invocation.of(context, config)
        with without_collecting(), as_if_absent("rich"):
            module = importlib.import_module(f"cli.{mounted.name}")
            defaults: Mapping[str, Mapping[str, object]] | None = getattr(module, "DEFAULTS", None)
            settings = invoked.settings(defaults)
        run: Callable[[Loaded], int] = module.run
        invoked.start_logging(settings)
        raise typer.Exit(run(settings))

    return role


def _fail(error: Exception, code: int) -> None:
    """One line on stderr, then the end."""
    words = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"nephometer: {words}\n")
    sys.exit(code)
