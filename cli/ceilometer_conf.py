"""ceilometer.conf: which of its options are settings of ours, which are not needed, which have no counterpart."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.errors import WrongUsage
from collector.settings import SERVICE_EXCHANGES

Option = tuple[str, str]  # section and name
Value = str | bool | tuple[str, ...]

PUBLIC_SECRETS = frozenset({"change this for valid signing", "change this or be hacked"})
SECRETS = frozenset({"bus.url", "bus.notification_urls", "collector.telemetry_secret"})
FILES: Mapping[Option, str] = {
    ("event", "definitions_cfg_file"): "event_definitions",
    ("meter", "meter_definitions_cfg_file"): "meters",
    ("meter", "meter_definitions_dirs"): "meters",
    ("DEFAULT", "pipeline_cfg_file"): "pipeline",
    ("DEFAULT", "event_pipeline_cfg_file"): "event_pipeline",
    ("polling", "cfg_file"): "polling",
    ("DEFAULT", "polling_cfg_file"): "polling",
}
# Sections and options for which there is nothing to do, and why.
NEEDLESS: Mapping[str, str] = {
    "keystone_authtoken": "auth.* says who may call the API",
    "service_credentials": "agents read libvirt and ask no service",
    "oslo_policy": "the API has its rules built in",
    "oslo_concurrency": "no lock files are used",
    "oslo_messaging_notifications": "notifications are taken as bus.* says",
    "coordination": "work is shared by leases in the database",
    "cache": "nothing is cached elsewhere",
    "collector": "the collector gathers as collector.* says",
    "dispatcher_gnocchi": "a publisher gnocchi:// does this",
    "dispatcher_file": "a publisher file:// does this",
    "hardware": "nodes are read by the agent itself",
    "service_types": "agents ask no service",
    "rgw_admin_credentials": "agents ask no service",
    "vmware": "only libvirt is read",
    "ipmi": "sensors come from Ironic's notifications",
}
NEEDLESS_OPTIONS: Mapping[Option, str] = {
    ("database", "connection"): "what is in it is not taken over, and database.url says where ours is",
    (
        "database",
        "metering_connection",
    ): "what is in it is not taken over, and database.url says where ours is",
    ("database", "event_connection"): "what is in it is not taken over, and database.url says where ours is",
    ("notification", "store_events"): "events are always kept",
    ("notification", "pipelines"): "samples and events are always made of notifications",
    ("notification", "workers"): "start as many collectors as you like",
    ("notification", "workload_partitioning"): "collectors share their work by themselves",
    ("notification", "pipeline_processing_queues"): "collectors share their work by themselves",
    ("notification", "batch_size"): "the collector gathers as collector.* says",
    ("notification", "batch_timeout"): "the collector gathers as collector.* says",
    ("notification", "ack_on_event_error"): "what is bad goes to quarantine, and is acknowledged",
}
LOGGING = re.compile(
    r"debug|verbose|log[_-].*|use_.*log|.*_log_level.*|logging_.*|syslog.*|.*format_string|publish_errors"
)


@dataclass(frozen=True, slots=True)
class Conf:
    """Settings by dotted key, files by what they are, options not needed and options lost, with reasons."""

    settings: Mapping[str, Value]
    files: Mapping[str, tuple[Path, ...]]
    needless: tuple[str, ...]
    lost: tuple[str, ...]


def read_conf(file: Path) -> Conf:
    """What a ceilometer.conf says; raises WrongUsage when it cannot be read."""
    options = parse(file)
    settings: dict[str, Value] = {}
    files: dict[str, tuple[Path, ...]] = {}
    needless, lost = list[str](), list[str]()
    for option, values in options.items():
        section, name = option
        place = f"{file.name} [{section}] {name}"
        try:
            if option in FILES:
                at = [file.parent / Path(value) for value in values if value]
                files[FILES[option]] = (*files.get(FILES[option], ()), *at)
            elif option in _CONVERTED:
                key, convert = _CONVERTED[option]
                settings[key] = convert(values)
            elif name.endswith(("control_exchanges", "control_exchange")):
                known = settings.get("bus.exchanges", SERVICE_EXCHANGES)
                merged = dict.fromkeys((*(known if isinstance(known, tuple) else ()), *_listed(values)))
                if tuple(merged) != SERVICE_EXCHANGES:
                    settings["bus.exchanges"] = tuple(merged)
            elif option in NEEDLESS_OPTIONS:
                needless.append(f"{place}: {NEEDLESS_OPTIONS[option]}")
            elif section in NEEDLESS:
                needless.append(f"{place}: {NEEDLESS[section]}")
            elif LOGGING.fullmatch(name):
                needless.append(f"{place}: log.* says what is logged")
            else:
                lost.append(f"{place}: no setting here does what it does")
        except ValueError as error:
            lost.append(f"{place}: {error}")
    return Conf(settings, files, tuple(needless), tuple(lost))


def parse(file: Path) -> dict[Option, list[str]]:
    """The values of each option, as oslo.config reads them: an option may stand there several times."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} cannot be read: {error}") from error
    found: dict[Option, list[str]] = {}
    section, last = "DEFAULT", None
    for line in lines:
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        if line[0].isspace() and last is not None:
            found[last][-1] += f"\n{text}"
        elif text.startswith("[") and text.endswith("]"):
            section, last = text[1:-1].strip(), None
        else:
            name, _, value = re.sub(r"\s*[=:]\s*", "=", text, count=1).partition("=")
            last = section, name
            found.setdefault(last, []).append(value.strip("\"'"))
    return found


def _one(values: Sequence[str]) -> str:
    return values[-1]


def _listed(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for value in values for part in re.split(r"[,\s]+", value) if part)


def _whole(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def _flag(values: Sequence[str]) -> bool:
    return values[-1].lower() in ("true", "yes", "on", "1")


def _age(values: Sequence[str]) -> str:
    seconds = int(values[-1])
    if seconds <= 0:
        raise ValueError("nothing is kept for ever here: choose a time")
    return f"{seconds}s"


def _secret(values: Sequence[str]) -> str:
    if not values[-1] or values[-1] in PUBLIC_SECRETS:
        raise ValueError("its value is no secret: set another one there and in collector.telemetry_secret")
    return values[-1]


def _convertible() -> Iterator[tuple[Option, tuple[str, Callable[[Sequence[str]], Value]]]]:
    for section in ("DEFAULT", "publisher"):
        for name in ("telemetry_secret", "metering_secret"):
            yield (section, name), ("collector.telemetry_secret", _secret)
    for section in ("DEFAULT", "compute", "libvirt"):
        yield (section, "libvirt_uri"), ("agent.libvirt_uri", _one)
    for name in ("amqp_durable_queues", "rabbit_quorum_queue"):
        for section in ("DEFAULT", "oslo_messaging_rabbit"):
            yield (section, name), ("bus.durable_exchanges", _flag)
    for name, key in (("ca", "tls_ca"), ("cert", "tls_cert"), ("key", "tls_key")):
        yield ("oslo_messaging_rabbit", f"ssl_{name}_file"), (f"bus.{key}", _one)
    yield ("DEFAULT", "transport_url"), ("bus.url", _one)
    yield ("notification", "messaging_urls"), ("bus.notification_urls", _whole)
    yield ("DEFAULT", "host"), ("agent.host", _one)
    yield ("database", "metering_time_to_live"), ("retention.raw", _age)
    yield ("database", "event_time_to_live"), ("retention.events", _age)
    yield ("event", "drop_unmatched_notifications"), ("collector.drop_unmatched_events", _flag)
    yield ("event", "store_raw"), ("collector.store_raw", _listed)


_CONVERTED = dict(_convertible())
