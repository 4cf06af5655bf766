"""Samples as Prometheus knows them: names, labels, and its text format."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storage.sample import Sample

UNFIT = re.compile(r"[^a-zA-Z0-9_:]")
TYPES: Mapping[str, str] = {"cumulative": "counter", "gauge": "gauge"}  # a delta is neither
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Series:
    """What Prometheus tells values apart by; two meters of one name and of different units are one."""

    name: str
    labels: tuple[tuple[str, str], ...]  # sorted by name


def metric_name(meter: str) -> str:
    """The meter's name as Ceilometer's publisher writes it: whatever Prometheus does not take is `_`."""
    name = UNFIT.sub("_", meter)
    return f"_{name}" if name[:1].isdigit() else name


def series_of(sample: Sample) -> Series:
    """The series a sample belongs to. Source of the labels: ceilometer/publisher/prometheus.py."""
    labels = (
        ("project_id", sample.project_id),
        ("resource_id", sample.resource_id),
        ("user_id", sample.user_id),
    )
    return Series(metric_name(sample.meter), tuple((name, value) for name, value in labels if value))


def newest(samples: Iterable[Sample]) -> dict[Series, Sample]:
    """The latest sample of each series."""
    found: dict[Series, Sample] = {}
    for sample in samples:
        series = series_of(sample)
        known = found.get(series)
        if known is None or known.timestamp <= sample.timestamp:
            found[series] = sample
    return found


def text(samples: Iterable[Sample]) -> bytes:
    """The latest value of each series in the text format 0.0.4, metric by metric, without times."""
    families: dict[str, list[tuple[Series, Sample]]] = {}
    for series, sample in newest(samples).items():
        families.setdefault(series.name, []).append((series, sample))
    lines: list[str] = []
    for name, members in families.items():
        kind = TYPES.get(members[0][1].type)
        if kind is not None:
            lines.append(f"# TYPE {name} {kind}")
        lines += [f"{name}{_braced(series.labels)} {sample.volume!r}" for series, sample in members]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _braced(labels: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in labels) + "}"
