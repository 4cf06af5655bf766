"""Errors of the command line; each knows the exit code of the process it ends.

CliError               1  the command failed
├── WrongUsage         2  the command line or a setting is wrong: correct it
├── ServerRefused      1  the API answered with an error: its own words
└── ServerUnreachable  3  no API answered, or it is not ready: try again
"""


class CliError(Exception):
    """Base of every error raised on purpose by `cli`: one line on stderr, no traceback."""

    exit_code = 1


class WrongUsage(CliError):
    """The command line or a setting is wrong; trying again cannot help."""

    exit_code = 2


class ServerRefused(CliError):
    """The API said no; the message is what it said."""


class ServerUnreachable(CliError):
    """Nobody answered at the URL, or the server said that it is not ready: check --url, then try again."""

    exit_code = 3
