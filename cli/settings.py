"""All settings of the program, from defaults, files, credentials and the environment; each knows its origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from agent.settings import AgentSettings
from api.settings import AlarmSettings, ApiSettings, AuthSettings
from cli import layers
from cli.errors import WrongUsage
from cli.layers import Key, Layer, Value, dotted
from collector.settings import BusSettings, CollectorSettings
from storage.settings import DatabaseSettings, MaintenanceSettings, RetentionSettings

SYSTEM_FILE = Path("/etc/nephometer/nephometer.toml")
DEFAULT = "default"
SHOWN_CHARACTERS = 80


class LogSettings(BaseModel):
    """What is said on standard error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least weight of a line that is written: debug, info, warning or error"
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text for people, or auto: text on a terminal and json elsewhere"
    )


class MetricsSettings(BaseModel):
    """Prometheus metrics of roles without an API server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, description="address the metrics page listens on")
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port of the metrics page of agent, collector and evaluator; 0: none (api and up have /metrics)",
    )


class Settings(BaseModel):
    """Everything an operator can set, by section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    maintenance: MaintenanceSettings = Field(default_factory=MaintenanceSettings)
    bus: BusSettings = Field(default_factory=BusSettings)
    collector: CollectorSettings = Field(default_factory=CollectorSettings)
    agent: AgentSettings = Field(default_factory=AgentSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    alarms: AlarmSettings = Field(default_factory=AlarmSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, where each value comes from that is not the built-in default (by dotted key), and the files read."""

    settings: Settings
    origins: Mapping[str, str]
    files: tuple[Path, ...]

    def origin(self, key: str) -> str:
        """Where the value of a dotted key comes from: a file, a variable, a credential or "default"."""
        parts = key.split(".")
        above = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
        return next((self.origins[name] for name in above if name in self.origins), DEFAULT)


def load(
    config: Path | None,
    environ: Mapping[str, str],
    *,
    defaults: Mapping[str, Mapping[str, object]] | None = None,
) -> Loaded:
    """The settings in force; of several sources of one key the last of these counts.

    Built-in defaults, the role's `defaults`, the file (`config`, else the system's if there is one), conf.d/*.toml
    beside it in order of names, $CREDENTIALS_DIRECTORY, the environment. A key ending in `_file` names the file of
    a secret. Raises WrongUsage, one line, for anything wrong.
    """
    files = _files(config)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    values: dict[Key, Value] = {}
    _lay(values, layers.from_mapping(Settings, defaults or {}, "default of this role"))
    for file in files:
        _lay(values, layers.from_toml(Settings, file))
    if credentials:
        _lay(values, layers.from_credentials(Settings, Path(credentials)))
    _lay(values, layers.from_environment(Settings, environ))
    values.setdefault(
        ("database", "url"), Value(f"sqlite:///{state_dir(environ) / 'nephometer.db'}", DEFAULT)
    )
    return _made(values, files)


def settings_of(tables: Mapping[str, object], origin: str) -> Settings:
    """What these tables alone would be in force, which come from `origin`; raises WrongUsage as `load` does."""
    values: dict[Key, Value] = {}
    _lay(values, layers.from_mapping(Settings, tables, origin))
    return _made(values, ()).settings


def state_dir(environ: Mapping[str, str]) -> Path:
    """The folder of what a role keeps between two runs; it may not exist yet."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    base = environ.get("XDG_STATE_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "nephometer"
    return Path(environ.get("HOME") or Path.home()) / ".local/state/nephometer"


def _files(config: Path | None) -> tuple[Path, ...]:
    main = config or SYSTEM_FILE
    try:
        more = sorted((main.parent / "conf.d").glob("*.toml"))
        return (main, *more) if config or main.exists() else tuple(more)
    except OSError as error:
        raise WrongUsage(f"{main.parent} cannot be read: {error.strerror}") from error


def _made(values: Mapping[Key, Value], files: tuple[Path, ...]) -> Loaded:
    origins = {dotted(key): value.origin for key, value in values.items()}
    tables = _tables({key: layers.resolve(Settings, key, value) for key, value in values.items()})
    try:
        return Loaded(Settings.model_validate(tables), origins, files)
    except ValidationError as error:
        raise WrongUsage(_explain(error.errors()[0], origins)) from None  # its text would show secrets


def _lay(values: dict[Key, Value], layer: Layer) -> None:
    """Put a layer over what is there: a value hides the tables it replaces, and the other way round."""
    for key, value in layer.items():
        hidden = [old for old in values if old != key and old[: len(key)] == key[: len(old)]]
        for old in hidden:
            del values[old]
        values[key] = value


def _tables(values: Mapping[Key, object]) -> Mapping[str, object]:
    tables: dict[Key, dict[str, object]] = {(): {}}
    for key, value in values.items():
        for depth in range(1, len(key)):
            if key[:depth] not in tables:
                tables[key[:depth]] = {}
                tables[key[: depth - 1]][key[depth - 1]] = tables[key[:depth]]
        tables[key[:-1]][key[-1]] = value
    return tables[()]


def _explain(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One line: the key, its value unless it is or holds a secret, its origin, and what is allowed."""
    place = error["loc"]
    name = dotted(place)
    origin = _origin(place, origins)
    model: type[BaseModel] = Settings
    described, shows, replaces_secret = "", True, False
    for depth, part in enumerate(place):
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is None and error["type"] == "extra_forbidden" and depth == len(place) - 1:
            return str(layers.unknown(model, (dotted(place[:-1]),), str(part), origin))
        if field is not None:
            described, shows = field.description or "", shows and not layers.is_secret(field)
            inner = layers.model_in(field.annotation)
            replaces_secret = inner is not None and _holds_secret(inner)
            model = inner or model
    scalar = isinstance(error["input"], str | int | float | None)
    value = (
        f" = {str(error['input'])[:SHOWN_CHARACTERS]!r}" if shows and scalar and not replaces_secret else ""
    )
    reason = error["msg"].removeprefix("Value error, ")
    about = f" ({described})" if described else ""
    return " ".join(f"{name}{value} from {origin} is wrong: {reason}{about}".split())


def _holds_secret(model: type[BaseModel]) -> bool:
    """Whether what was put in place of such a table may be a secret that belongs inside."""
    return any(map(layers.is_secret, model.model_fields.values()))


def _origin(place: tuple[str | int, ...], origins: Mapping[str, str]) -> str:
    """Where the value at a place was set; for a whole section, wherever parts of it were."""
    above = [dotted(place[:depth]) for depth in range(len(place), 0, -1)]
    for name in above:
        if name in origins:
            return origins[name]
    below = sorted({origin for name, origin in origins.items() if name.startswith(f"{above[0]}.")})
    return " and ".join(below) or DEFAULT
