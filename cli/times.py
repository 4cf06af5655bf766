"""Times as options of commands: as -q has them, so that a day may do."""

from datetime import datetime

from api.v2 import times
from cli.errors import WrongUsage
from collector.instants import read_instant

METAVAR = "ISO8601"


def moment(option: str, text: str) -> datetime:
    """The UTC moment of a date, which is its beginning, or of a date and time; without a zone it is UTC.

    Raises WrongUsage, which names the option: for what is neither, and for moments before 1970 or after 2200.
    """
    try:
        return read_instant(times.parse(text))
    except ValueError as error:
        raise WrongUsage(f"{option} {text!r}: {error}") from error
