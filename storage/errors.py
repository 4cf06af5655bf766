"""Errors of `storage`; callers need to know one thing: try again, or never?

StorageError
├── InvalidAddress        database.url cannot be used: correct it
├── DatabaseUnavailable   retryable: keep the work and try it again
│   ├── TookTooLong       a statement was ended by its time limit: ask for less
│   └── Unusable          what stands there is no database of ours, or we may not open it: waiting alone cannot help
├── SchemaMismatch        the schema is missing, older or newer than this program
├── DataRefused           the database refuses this very data: bisect, then quarantine
├── DamagedTile           a stored tile fails its checksum: other tiles still answer
└── Conflict              somebody else changed the row first: read it again
"""


class StorageError(Exception):
    """Base of every error raised on purpose by `storage`."""

    retryable = False


class InvalidAddress(StorageError):
    """`database.url` is no address, or its driver does not take what it says: correct it."""


class DatabaseUnavailable(StorageError):
    """The database did not answer, is read-only, full or locked: wait and try again.

    Check that the server of `database.url` runs, that the password is right and its disk has room.
    """

    retryable = True


class TookTooLong(DatabaseUnavailable):
    """A statement was ended by its time limit, `database.timeout_s`: a question should ask for less."""


class Unusable(DatabaseUnavailable):
    """What stands at `database.url` is no database, is damaged or may not be opened: correct it or the address.

    Whoever only can wait goes on waiting, as for any that is away; whoever has a person before him says so at once.
    """


class SchemaMismatch(StorageError):
    """The schema is missing, older or newer than this program: run `nephometer db upgrade`."""


class DataRefused(StorageError):
    """The database refuses this very data; trying again cannot help."""


class DamagedTile(StorageError):
    """A stored tile fails its checksum or was written by a newer program: run `nephometer db check`.

    It lists every damaged tile with its group, meter and time; restore these from a backup.
    """


class Conflict(StorageError):
    """A compare-and-set lost: the row was changed or taken by another process."""
