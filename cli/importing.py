"""A Ceilometer installation's files as settings of ours, and what of them could not be converted."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import InvalidPolling
from agent.polling import read_polling
from cli.ceilometer_conf import SECRETS, Conf, Value, read_conf
from cli.copies import copy_as_tight, write_secret
from cli.errors import WrongUsage
from cli.outlets import Configured, Receivers
from cli.settings import Settings, load, settings_of
from cli.toml import toml
from collector.errors import CollectorError
from collector.mappings import event_mapping, meter_mapping
from collector.pipelines.files import Pipelines, read_event_pipelines, read_pipelines
from collector.settings import CollectorSettings

SETTINGS_FILE = "nephometer.toml"
FOLDER = "ceilometer"
SOME_BROKER = "amqp://broker"  # in the place of a wrong one: nobody is asked
# What each file is called where no option says so; `meters` also beside the packaged ones of Ceilometer's own.
NAMES: Mapping[str, tuple[str, ...]] = {
    "meters": ("meters.d", "meters.yaml"),
    "event_definitions": ("event_definitions.yaml",),
    "pipeline": ("pipeline.yaml",),
    "event_pipeline": ("event_pipeline.yaml",),
    "polling": ("polling.yaml",),
}


@dataclass(slots=True)
class Report:
    """What became of everything: converted, not needed, and lost. Nothing lost: all is as it was."""

    converted: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What people read, the losses last."""
        for word, some in (("converted", self.converted), ("not needed", self.needless), ("LOST", self.lost)):
            yield from (f"{word}: {one}" for one in some)


@dataclass(frozen=True, slots=True)
class Imported:
    """The settings by dotted key, the definition files they name, and the report."""

    settings: Mapping[str, Value]
    files: Mapping[str, tuple[Path, ...]]
    report: Report


def read_installation(folder: Path) -> Imported:
    """What an /etc/ceilometer says; raises WrongUsage when there is nothing of Ceilometer's in it."""
    conf_file = folder / "ceilometer.conf"
    conf = read_conf(conf_file) if conf_file.exists() else Conf({}, {}, (), ())
    report = Report([], list(conf.needless), list(conf.lost))
    files = {what: _present(folder, conf.files.get(what, ()), names) for what, names in NAMES.items()}
    if not conf_file.exists() and not any(files.values()):
        raise WrongUsage(f"{folder} has no file of Ceilometer's, such as pipeline.yaml or ceilometer.conf")
    report.converted += [f"{conf_file.name} as {key}" for key in conf.settings]
    looks: Mapping[str, Callable[[Path, Report], bool]] = {
        "meters": _look_at_meters,
        "event_definitions": _look_at_events,
        "pipeline": _look_at_pipeline,
        "event_pipeline": _look_at_event_pipeline,
        "polling": _look_at_polling,
    }
    good = {what: tuple(file for file in some if looks[what](file, report)) for what, some in files.items()}
    if (folder / "gnocchi_resources.yaml").exists():
        option = f"gnocchi://…?resources_definition_file={folder / 'gnocchi_resources.yaml'}"
        report.lost.append(f"gnocchi_resources.yaml: if it was changed, name it in the sink's URL: {option}")
    return Imported(conf.settings, good, report)


def text_of(imported: Imported, places: Mapping[Path, Path], *, masked: bool) -> str:
    """The settings as TOML; `places` says where definition files are to be found, `masked` hides secrets."""
    values: dict[str, Value] = dict(imported.settings)
    at = {what: tuple(str(places.get(file, file)) for file in some) for what, some in imported.files.items()}
    listed = {"collector.meter_files": at["meters"], "collector.event_files": at["event_definitions"]}
    single = {
        "collector.pipeline": at["pipeline"],
        "collector.event_pipeline": at["event_pipeline"],
        "agent.polling": at["polling"],
    }
    values |= {key: some for key, some in listed.items() if some}
    values |= {key: some[-1] for key, some in single.items() if some}
    lines = ["# Made from a Ceilometer installation by `nephometer config import`."]
    for section in dict.fromkeys(key.partition(".")[0] for key in values):
        lines += ["", f"[{section}]"]
        mine = {key: value for key, value in values.items() if key.startswith(f"{section}.")}
        lines += [
            f"{key.partition('.')[2]} = {toml(value, secret=masked and key in SECRETS)}"
            for key, value in mine.items()
        ]
    return "\n".join(lines) + "\n"


def write(imported: Imported, out: Path, *, force: bool) -> Path:
    """Writes the settings and copies the definition files below `out`; returns the settings file.

    Who may read the settings may read the copies, too, unless their originals are for fewer (`cli.copies`). Raises
    WrongUsage when something is there already, not empty, and may not be overwritten, or cannot be written.
    """
    target = out / SETTINGS_FILE
    every = [file for some in imported.files.values() for file in some]
    places = {file: out.absolute() / FOLDER / _name(every, file) for file in every}
    there = [place for place in (target, *places.values()) if _holds_something(place)]
    if there and not force:
        raise WrongUsage(f"{there[0]} is there already: nothing was written (--force overwrites)")
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        write_secret(target, text_of(imported, places, masked=False))
        for file, place in places.items():
            copy_as_tight(file, place, target.stat().st_gid)
    except OSError as error:
        raise WrongUsage(f"{out} cannot be written: {error}") from error
    return target


def check(imported: Imported, written: Path | None) -> None:
    """Notes in the report what the program would refuse of the settings, whether they are `written` or not."""
    what = str(written or "what was converted")
    tables = tomllib.loads(text_of(imported, {}, masked=False))
    flaws = [_flaw(lambda: settings_of(tables, what) if written is None else load(written, {}).settings)]
    if flaws[0]:  # it shall not hide what is wrong with a sink
        alone = {"bus": {"url": SOME_BROKER}, "collector": tables.get("collector", {})}
        flaws.append(_flaw(lambda: settings_of(alone, what)))
    for flaw in filter(None, dict.fromkeys(flaws)):
        imported.report.lost.append(f"{what} has to be corrected before it can be used: {flaw}")


def _flaw(read: Callable[[], Settings]) -> str:
    """Why the program would refuse these settings, or a sink of the pipelines they name; "" when it would not."""
    try:
        settings = read()
        Receivers.of(settings, Configured.of(settings))
    except (WrongUsage, CollectorError) as error:
        return str(error)
    return ""


def _holds_something(place: Path) -> bool:
    """Whether there is a folder or a file that is not empty: `install /dev/null` makes those."""
    return place.exists() and (place.is_dir() or place.stat().st_size > 0)


def _name(files: Sequence[Path], file: Path) -> str:
    """What a copy is called: as the file, unless an earlier one is called so."""
    earlier = [one.name for one in files[: files.index(file)]].count(file.name)
    return f"{earlier}-{file.name}" if earlier else file.name


def _present(folder: Path, named: Sequence[Path], names: Sequence[str]) -> tuple[Path, ...]:
    candidates = [*named, *(folder / name for name in names)]
    return tuple(dict.fromkeys(one.absolute() for one in candidates if one.exists()))


def _look_at_meters(file: Path, report: Report) -> bool:
    return _is_read(file, report, lambda: meter_mapping(CollectorSettings(meter_files=(str(file),))))


def _look_at_events(file: Path, report: Report) -> bool:
    return _is_read(file, report, lambda: event_mapping(CollectorSettings(event_files=(str(file),))))


def _look_at_pipeline(file: Path, report: Report) -> bool:
    return _is_read(file, report, lambda: _remark(read_pipelines(file), report))


def _look_at_event_pipeline(file: Path, report: Report) -> bool:
    return _is_read(file, report, lambda: _remark(read_event_pipelines(file), report))


def _look_at_polling(file: Path, report: Report) -> bool:
    def read() -> None:
        report.lost.extend(read_polling(file).remarks)

    return _is_read(file, report, read)


def _remark(pipelines: Pipelines, report: Report) -> None:
    report.lost.extend(pipelines.remarks)


def _is_read(file: Path, report: Report, read: Callable[[], object]) -> bool:
    try:
        read()
    except (CollectorError, InvalidPolling) as error:
        report.lost.append(f"{file.name} is left out: {error}")
        return False
    report.converted.append(f"{file.name}, used as it is")
    return True
