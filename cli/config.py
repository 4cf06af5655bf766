"""nephometer config: which settings are in force, whether they are right, what there is to set."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from pydantic import BaseModel, SecretStr

from cli.invocation import ConfigFile, of
from cli.layers import TWIN, is_secret, model_in
from cli.settings import Loaded, Settings
from storage.log import MASK, mask_url

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
    files = of(context, config).settings().files
    sys.stdout.write(f"The settings are right ({', '.join(map(str, files)) or 'no file, only defaults'}).\n")


@app.command("schema")
def schema() -> None:
    """Prints the JSON Schema of the settings file, for editors."""
    sys.stdout.write(json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n")


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
            yield f"{key} = {_toml(value, secret=is_secret(field))}{comment}"
    for inner, model in below:
        yield ""
        yield from _table(inner, model, loaded, with_origin=with_origin)


def _toml(value: object, *, secret: bool = False) -> str:
    """A value as TOML writes it; of secrets only what a URL says besides its password."""
    if isinstance(value, SecretStr):
        return _toml(value.get_secret_value(), secret=True)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        present = {key: (getattr(value, key), is_secret(field)) for key, field in fields}
        return _inline({key: of for key, of in present.items() if of[0] is not None})
    if isinstance(value, Mapping):
        return _inline({str(key): (of, secret) for key, of in value.items()})
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(inner, secret=secret) for inner in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    shown = text if not secret else mask_url(text) if "://" in text else MASK
    return json.dumps(shown, ensure_ascii=False)


def _inline(entries: Mapping[str, tuple[object, bool]]) -> str:
    inside = (
        f"{json.dumps(key, ensure_ascii=False)} = {_toml(value, secret=secret)}"
        for key, (value, secret) in entries.items()
    )
    return f"{{ {', '.join(inside)} }}" if entries else "{}"


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
