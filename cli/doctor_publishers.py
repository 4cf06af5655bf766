"""The doctor's look at publishers: which of them lag or fail, and what to do."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cli.database import is_absent, open_database
from cli.errors import CliError
from cli.finding import Finding
from cli.outlets import configured
from cli.settings import Settings
from collector.errors import InvalidDefinition, InvalidPublisher
from storage.errors import StorageError
from storage.standings import Standing, Standings

NOTICEABLE = timedelta(minutes=5)
CORRECT = "correct collector.publishers, or the file of the pipeline"
MEND = "make it reachable, or correct its URL; it is tried again by itself, and nothing is lost until then"
START = "start a collector (or `nephometer up`), or more of them; see in its log why it does not deliver"


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """A finding for each publisher that is or was; none when there never were any. Changes nothing."""
    try:
        names = [publisher.name for publisher in configured(settings)]
    except (InvalidPublisher, InvalidDefinition) as error:
        return [Finding("publishers", "problem", str(error), CORRECT)]
    if is_absent(settings.database):
        return []
    try:
        database = open_database(settings.database)
    except (CliError, StorageError):  # the look at the database says so
        return []
    try:
        known = Standings(database).all()
    except StorageError:  # as above
        return []
    finally:
        database.dispose()
    return findings(names, known, now)


def findings(names: Sequence[str], known: Sequence[Standing], now: datetime) -> list[Finding]:
    """Findings about the publishers of these names, then about those that are named no more but still owed."""
    by_name = {standing.name: standing for standing in known}
    found = []
    for name in names:
        standing = by_name.get(name)
        found.append(
            Finding("publisher", "ok", f"{name}: idle") if standing is None else _look(standing, now)
        )
        found += _aside(standing)
    return [*found, *(_left(one) for one in known if one.name not in names and one.batches + one.aside)]


def _look(standing: Standing, now: datetime) -> Finding:
    if standing.error is not None:
        since = (
            "" if standing.failing_since is None else f" since {standing.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        )
        return Finding(
            "publisher",
            "problem",
            f"{standing.name} fails{since}: {standing.error}; {_waiting(standing)}",
            MEND,
        )
    lag = timedelta() if standing.oldest is None else now - standing.oldest
    if lag > NOTICEABLE:
        message = f"{standing.name} is {lag.total_seconds():.0f} s behind; {_waiting(standing)}"
        return Finding("publisher", "warning", message, START)
    return Finding("publisher", "ok", f"{standing.name}: {_waiting(standing)}")


def _aside(standing: Standing | None) -> list[Finding]:
    found = []
    if standing is not None and standing.aside:
        message = f"{standing.name} refused {standing.aside} samples and events: {standing.reason}; they are set aside"
        advice = (
            "mend what it says, then `nephometer publishers replay`; the collector's log has every reason"
        )
        found.append(Finding("publisher", "warning", message, advice))
    if standing is not None and standing.dropped:
        message = f"{standing.name}: {standing.dropped} samples and events were dropped, waiting too long or too many"
        advice = "raise collector.publisher_age or publisher_bytes; /v2 and exports still have them"
        found.append(Finding("publisher", "warning", message, advice))
    return found


def _left(standing: Standing) -> Finding:
    message = f"{standing.name} is no longer among collector.publishers, but owed {standing.batches} batches"
    advice = "name it again, or `nephometer publishers forget`; else they go when they are too old"
    return Finding("publisher", "warning", message, advice)


def _waiting(standing: Standing) -> str:
    return (
        f"{standing.batches} batches of {standing.size} bytes wait" if standing.batches else "nothing waits"
    )
