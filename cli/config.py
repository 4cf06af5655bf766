"""nephometer config: which settings are in force, whether they are right, what there is to set."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from api.auth import check_exposure
from cli.errors import WrongUsage
from cli.example import example
from cli.invocation import ConfigFile, of
from cli.layers import TWIN, is_secret, model_in
from cli.settings import Loaded, Settings
from cli.toml import toml
from collector.signing import ADVICE, node_key

app = typer.Typer(help="Settings: which are in force, and where they come from.", no_args_is_help=True)


@app.command("show")
def show(
    context: typer.Context,
    *,
    config: ConfigFile = None,
    origin: Annotated[bool, typer.Option("--origin", help="say where each value comes from")] = False,
) -> None:
    """Prints the settings in force as TOML, without secrets."""
    sys.stdout.write("\n".join(_lines(of(context, config).settings(), with_origin=origin)) + "\n")


@app.command("check")
def check(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Says whether the settings are right; exit code 2 and the reason when they are not."""
    loaded = of(context, config).settings()
    check_exposure(loaded.settings.api, loaded.settings.auth)
    _check_files(loaded.settings)
    files = loaded.files
    sys.stdout.write(f"The settings are right ({', '.join(map(str, files)) or 'no file, only defaults'}).\n")


def _check_files(settings: Settings) -> None:
    """Reads what settings name, files and the database's address; raises WrongUsage for what is wrong in them."""
    from agent.errors import InvalidPolling
    from cli.agent import polled
    from cli.outlets import configured
    from collector.errors import CollectorError
    from collector.mappings import event_mapping, meter_mapping
    from storage.address import engines
    from storage.errors import InvalidAddress

    try:
        engines(settings.database)
        configured(settings)
        meter_mapping(settings.collector)
        event_mapping(settings.collector)
        polled(settings.agent)
    except (CollectorError, InvalidAddress, InvalidPolling) as error:
        raise WrongUsage(str(error)) from error


@app.command("schema")
def schema() -> None:
    """Prints the JSON Schema of the settings file, for editors."""
    sys.stdout.write(json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n")


@app.command("example")
def print_example() -> None:
    """Prints a settings file with every key, its meaning and its default."""
    sys.stdout.write(example())


@app.command("node-key")
def print_node_key(
    context: typer.Context,
    *,
    node: Annotated[str, typer.Argument(help="the node's agent.host, by default its host name")],
    config: ConfigFile = None,
) -> None:
    """Prints a node's agent.signing_key, made from the first of bus.signing_secrets: a node never has the secret."""
    secrets = of(context, config).settings().settings.bus.signing_secrets
    if not secrets:
        raise WrongUsage(f"bus.signing_secrets is not set: {ADVICE}, the same on all collectors")
    sys.stdout.write(f"{node_key(secrets[0].get_secret_value(), node).hex()}\n")


@app.command("import")
def import_ceilometer(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Ceilometer's folder, such as /etc/ceilometer")
    ],
    *,
    out: Annotated[Path | None, typer.Option(help="folder to write settings and definition files to")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite what is there")] = False,
) -> None:
    """Makes settings of a Ceilometer installation; says what it could not, exit code 1 if that is anything.

    Without --out nothing is written: the settings are shown, secrets masked.
    """
    from cli.importing import check as check_imported
    from cli.importing import read_installation, text_of, write

    imported = read_installation(folder)
    file = None if out is None else write(imported, out, force=force)
    check_imported(imported, file)
    said = text_of(imported, {}, masked=True) if file is None else f"The settings are in {file}.\n"
    sys.stdout.write(said)
    for line in imported.report.lines():
        sys.stderr.write(f"{line}\n")
    if imported.report.lost:
        raise typer.Exit(1)


def _lines(loaded: Loaded, *, with_origin: bool) -> Iterator[str]:
    for number, name in enumerate(Settings.model_fields):
        if number:
            yield ""
        yield from _table(name, getattr(loaded.settings, name), loaded, with_origin=with_origin)


def _table(name: str, section: BaseModel, loaded: Loaded, *, with_origin: bool) -> Iterator[str]:
    """A section as lines of TOML, its own keys before the tables below."""
    below: list[tuple[str, BaseModel]] = []
    yield f"[{name}]"
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            below.append((f"{name}.{key}", value))
            continue
        comment = f"  # {loaded.origin(f'{name}.{key}')}" if with_origin else ""
        if value is None:
            yield f"# {key} is not set{comment}"
        else:
            yield f"{key} = {toml(value, secret=is_secret(field))}{comment}"
    for inner, model in below:
        yield ""
        yield from _table(inner, model, loaded, with_origin=with_origin)


def _schema() -> Mapping[str, object]:
    """The schema of all sections, with the `_file` twin of every secret."""
    document = Settings.model_json_schema()
    for model in _models(Settings):
        properties = (document["$defs"] | {Settings.__name__: document})[model.__name__]["properties"]
        for key, field in model.model_fields.items():
            if is_secret(field):
                properties[f"{key}{TWIN}"] = {
                    "type": "string",
                    "description": f"File that holds `{key}`.",
                }
    return document


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        inner = model_in(field.annotation)
        if inner is not None:
            yield from _models(inner)
