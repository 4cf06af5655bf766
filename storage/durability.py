"""Whether what the database says it committed would still be there after a power cut."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.database import Database


@dataclass(frozen=True, slots=True)
class Weakness:
    """A setting of the server by which acknowledged samples can be lost."""

    setting: str
    value: str
    needed: str


def weaknesses(database: Database) -> list[Weakness]:
    """What is set so that a commit may not last, by name; raises DatabaseUnavailable.

    Sources: https://www.postgresql.org/docs/15/runtime-config-wal.html,
    https://mariadb.com/kb/en/innodb-system-variables/, https://www.sqlite.org/pragma.html#pragma_synchronous.
    """
    question, lasting = database.dialect.durability, database.dialect.lasting
    with database.read() as connection:
        found = {str(name): str(value) for name, value in connection.exec_driver_sql(question)}
    return _weak(found, lasting)


def _weak(found: Mapping[str, str], lasting: Mapping[str, tuple[str, ...]]) -> list[Weakness]:
    """A setting this server does not have is none."""
    return [
        Weakness(name, found[name], good[0])
        for name, good in sorted(lasting.items())
        if name in found and found[name].lower() not in good
    ]
