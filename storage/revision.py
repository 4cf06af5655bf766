"""Which revision a schema is at, and which one this program needs, found without alembic: a start asks only that."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import text

from storage.database import Database
from storage.errors import SchemaMismatch

HERE = Path(__file__).parent
REVISION = re.compile(r'^(down_revision|revision)\b.*= "(.+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database is at (None: empty) and the one this program needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether this program can work with the database."""
        return self.current == self.head


def state(database: Database) -> SchemaState:
    """Where the schema stands; raises DatabaseUnavailable."""
    needed = head()
    try:
        with database.read() as connection:
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SchemaMismatch:  # alembic's own table is not there: nothing is
        return SchemaState(None, needed)
    return SchemaState(current, needed)


@cache  # a package upgrade takes the scripts of this program away while it runs
def head() -> str:
    """The newest revision: the one of all scripts that no other comes after."""
    found: list[list[tuple[str, str]]] = [
        REVISION.findall(script.read_text(encoding="utf-8"))
        for script in (migrations() / "versions").glob("*.py")
    ]
    before = {revision for said in found for kind, revision in said if kind == "down_revision"}
    return next(
        revision for said in found for kind, revision in said if kind == "revision" and revision not in before
    )


def migrations() -> Path:
    """The folder of alembic's scripts: in the wheel beside this file, in a checkout at `alembic/`."""
    return next(path for path in (HERE / "migrations", HERE.parent / "alembic") if (path / "env.py").exists())
