"""What a replay found, for people and programs."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cli import output
from cli.output import Format, Options, columns
from collector.replay import VERDICTS, Difference, Example, Verdict
from storage.sample import Sample

ROWS = columns("of", "name", *VERDICTS)
WHOLE = columns(
    "messages", "unreadable", "unreadable_at", "refused", "samples", "lives", "events", "too_old", "examples"
)
REASONS = 5


def show(found: Difference, options: Options) -> None:
    """A row for each meter and one for lives; json and yaml have everything in one object."""
    if options.format in (Format.JSON, Format.YAML):
        output.show_one(WHOLE, _whole(found), options)
        return
    lives = {"of": "lives", "name": "", **_counts(found.facts)}
    rows = [*({"of": "samples", **row} for row in _meters(found)), lives]
    output.show_many(ROWS, rows, options)


def words(found: Difference, *, is_applied: bool) -> str:
    """What the table cannot say: examples, what could not be read, what to do."""
    lines = [_example(example) for example in found.examples]
    for reason, count in found.unreadable.most_common(REASONS):
        lines.append(f"Not read, {count}: {reason}{_places(found.unreadable_at[reason], count)}")
    lines += [f"Refused, {count}: {reason}" for reason, count in found.refused.most_common(REASONS)]
    if found.too_old:
        lines.append(f"Too old, {found.too_old}: samples of then are not kept any more (retention.raw).")
    lines.append(f"{found.messages} notifications; {_outcome(found, is_applied=is_applied)}.")
    return "".join(f"{line}\n" for line in lines)


def _places(places: Sequence[str], count: int) -> str:
    if not places:
        return ""
    return f" ({', '.join(places)}{', …' if count > len(places) else ''})"


def _outcome(found: Difference, *, is_applied: bool) -> str:
    if not found.messages:
        return "nothing was chosen (`stored` has what collector.store_raw kept when it came)"
    if found.is_all_unreadable:
        return "nothing was derived"
    if is_applied:
        return f"what was missing is stored, {found.events} events among it"
    return "nothing was written: repeat it with --apply"


def _whole(found: Difference) -> Mapping[str, object]:
    return {
        "messages": found.messages,
        "unreadable": dict(found.unreadable),
        "unreadable_at": found.unreadable_at,
        "refused": dict(found.refused),
        "samples": _meters(found),
        "lives": _counts(found.facts),
        "events": found.events,
        "too_old": found.too_old,
        "examples": [
            {
                "meter": one.meter,
                "verdict": one.verdict,
                "stored": one.stored and _sample(one.stored),
                "derived": one.derived and _sample(one.derived),
            }
            for one in found.examples
        ],
    }


def _meters(found: Difference) -> Sequence[Mapping[str, object]]:
    names = sorted({name for name, _ in found.samples})
    return [
        {"name": name, **{verdict: found.samples[name, verdict] for verdict in VERDICTS}} for name in names
    ]


def _counts(found: Counter[Verdict]) -> Mapping[str, object]:
    return {verdict: found[verdict] for verdict in VERDICTS}


def _sample(sample: Sample) -> Mapping[str, object]:
    return {
        "resource_id": sample.resource_id,
        "project_id": sample.project_id,
        "timestamp": sample.timestamp.isoformat(),
        "volume": sample.volume,
        "unit": sample.unit,
        "type": sample.type,
    }


def _example(example: Example) -> str:
    sample = example.derived or example.stored
    where = f"{sample.resource_id} {sample.timestamp:%Y-%m-%dT%H:%M:%SZ}" if sample else ""
    return f"{example.verdict} {example.meter} {where}: {_change(example)}"


def _change(example: Example) -> str:
    stored, derived = (None if one is None else _short(one) for one in (example.stored, example.derived))
    if stored == derived:
        return "other metadata"
    return " -> ".join(text for text in (stored, derived) if text is not None)


def _short(sample: Sample) -> str:
    return f"{sample.volume} {sample.unit} of {sample.project_id or 'nobody'}"
