"""The doctor's look at the database: answer, schema, clock, whether commits last."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from cli.database import is_absent, open_database
from cli.errors import CliError
from cli.finding import Finding
from storage.database import Database
from storage.durability import Weakness, weaknesses
from storage.errors import StorageError
from storage.quarantine import Quarantine
from storage.revision import SchemaState, state
from storage.secrets import mask_url
from storage.settings import DatabaseSettings

UPGRADE = "run `nephometer db upgrade`"
NOTICEABLE = timedelta(seconds=3)  # servers answer in whole seconds, and the question takes its time
HARMFUL = timedelta(seconds=60)


def examine(settings: DatabaseSettings, now: datetime) -> list[Finding]:
    """Findings about the database; when it does not answer, that one alone. Changes nothing."""
    name = mask_url(settings.url)
    if is_absent(settings):
        return [Finding("database", "problem", f"there is no {name} yet", UPGRADE)]
    try:
        database = open_database(settings)
    except (CliError, StorageError) as error:
        return [Finding("database", "problem", str(error), "correct database.url")]
    try:
        database.ping()
        found = state(database)
        findings = [
            Finding("database", "ok", f"{name} answers"),
            schema(found),
            server_clock(_server_time(database), now),
            durability(weaknesses(database)),
        ]
        return [*findings, quarantine(Quarantine(database))] if found.is_current else findings
    except StorageError as error:
        advice = "check that the server runs, that user, password and database name in database.url are right"
        return [Finding("database", "problem", f"{name}: {error}", advice)]
    finally:
        database.dispose()


def schema(found: SchemaState) -> Finding:
    """Whether the schema fits this program."""
    if found.is_current:
        return Finding("schema", "ok", f"at {found.head}, as this version needs it")
    if found.current is None:
        return Finding("schema", "problem", "the database is empty", UPGRADE)
    return Finding("schema", "problem", f"at {found.current}, this version needs {found.head}", UPGRADE)


def quarantine(kept: Quarantine) -> Finding:
    """Whether something arrived that could not become a sample."""
    count = kept.count()
    if not count:
        return Finding("quarantine", "ok", "nothing was refused")
    (newest,) = kept.newest(1)
    words = (
        f"{count} messages could not become samples; the newest, at {newest.last_seen:%Y-%m-%d %H:%M:%S} UTC"
    )
    reason = f"{words} from {newest.origin}: {newest.reason}"
    advice = "`nephometer quarantine list` shows them: mend what sends them"
    return Finding("quarantine", "warning", reason, advice)


def server_clock(server: datetime, now: datetime) -> Finding:
    """Whether the database server's clock agrees with ours."""
    apart = abs(server - now)
    words = f"the database server's clock is {apart.total_seconds():.0f} s away from this machine's"
    advice = "synchronise both clocks (chrony or systemd-timesyncd)"
    if apart > HARMFUL:
        return Finding("database clock", "problem", words, advice)
    if apart > NOTICEABLE:
        return Finding("database clock", "warning", words, advice)
    return Finding("database clock", "ok", "agrees with this machine's")


def durability(weak: Sequence[Weakness]) -> Finding:
    """Whether a power cut of the database's machine can take acknowledged samples away."""
    if not weak:
        return Finding("durability", "ok", "commits survive a power cut")
    settings = ", ".join(f"{one.setting} = {one.value}" for one in weak)
    advice = ", ".join(f"set {one.setting} = {one.needed}" for one in weak)
    return Finding("durability", "warning", f"a power cut can lose acknowledged samples: {settings}", advice)


def _server_time(database: Database) -> datetime:
    """The server's time in UTC: PostgreSQL answers with a zone, MariaDB without, SQLite as text."""
    with database.read() as connection:
        answer = connection.execute(text("SELECT CURRENT_TIMESTAMP")).scalar_one()
    moment = answer if isinstance(answer, datetime) else datetime.fromisoformat(str(answer))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
