"""The schema's history: from nothing, or from any earlier release, to what this program needs."""

import io
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from storage.database import Database
from storage.errors import SchemaMismatch

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database is at (None: empty) and the one this program needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether this program can work with the database."""
        return self.current == self.head


def upgrade(database: Database) -> list[str]:
    """Brings the schema to the newest revision; returns the revisions applied, oldest first.

    Raises DatabaseUnavailable, or StorageError when the database is at a revision this program does not know.
    """
    config, before = _config(), state(database)
    script = ScriptDirectory.from_config(config)
    applied = [step.revision for step in script.iterate_revisions(before.head, before.current)]
    if applied:
        with database.write(limit_s=0) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return applied[::-1]


def state(database: Database) -> SchemaState:
    """Where the schema stands; raises DatabaseUnavailable."""
    head = ScriptDirectory.from_config(_config()).get_current_head() or ""
    try:
        with database.read() as connection:
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SchemaMismatch:  # alembic's own table is not there: nothing is
        return SchemaState(None, head)
    return SchemaState(current, head)


def offline_sql(url: str) -> str:
    """The statements of a whole upgrade, for an administrator to run by hand."""
    config = _config()
    config.output_buffer = io.StringIO()
    config.attributes["url"] = url
    command.upgrade(config, "head", sql=True)
    return config.output_buffer.getvalue()


def _config() -> Config:
    """Migrations ride in the wheel beside this file, and stand at `alembic/` in a checkout."""
    folder = next(
        path for path in (HERE / "migrations", HERE.parent / "alembic") if (path / "env.py").exists()
    )
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
