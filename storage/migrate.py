"""The schema's history: from nothing, or from any earlier release, to what this program needs."""

import io
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from storage.database import Database
from storage.revision import migrations, state


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


def titles(revisions: Sequence[str]) -> list[str]:
    """Revisions with what they are about, in the same order: `0007 lifecycle`."""
    script = ScriptDirectory.from_config(_config())
    return [_title(script.get_revision(revision)) for revision in revisions]


def offline_sql(url: str) -> str:
    """The statements of a whole upgrade, for an administrator to run by hand."""
    config = _config()
    config.output_buffer = io.StringIO()
    config.attributes["url"] = url
    command.upgrade(config, "head", sql=True)
    return config.output_buffer.getvalue()


def _title(step: Script) -> str:
    return Path(step.path).stem.replace("_", " ")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    return config
