"""What pika's errors say to people."""


def words(error: BaseException) -> str:
    """What went wrong, as whoever noticed it first put it; pika wraps it several times."""
    while (inner := _inner(error)) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return repr(error)


def _inner(error: BaseException) -> BaseException | None:
    """The error inside: of a failed attempt, of the last of several, or the first thing an error was made of."""
    several = getattr(error, "exceptions", None) or ()
    inside = (*several[-1:], getattr(error, "exception", None), *error.args[:1])
    return next((one for one in inside if isinstance(one, BaseException)), None)
