"""Errors of `collector`; callers need to know one thing: try again, or never?

CollectorError
├── InvalidMessage         never: the bytes can not be read as what they claim to be; quarantine them
├── InvalidDefinition      never: a definition file is wrong; names file, entry and key
├── InvalidPublisher       never: the URL of a publisher is wrong; says what is allowed
├── BatchRefused           never: a destination can not take this batch; set it aside
├── BusUnavailable         retryable: the broker did not take or give anything
│   └── BusSilent          retryable: the broker is there but leaves a question unanswered
└── PublisherUnavailable   retryable: the destination did not answer, nothing may be acknowledged
"""

from datetime import timedelta


class CollectorError(Exception):
    """Base of every error raised on purpose by `collector`."""

    retryable = False


class InvalidMessage(CollectorError):
    """These bytes can never become samples: they belong in quarantine, with this text as the reason."""


class InvalidDefinition(CollectorError):
    """A definition file is wrong: correct the named key of the named entry, then start again."""


class BusUnavailable(CollectorError):
    """The broker did not confirm: keep the batch and try it again.

    Check that the broker of `bus.url` runs, that the password and virtual host are right, that it
    raised no memory or disk alarm, and that a collector has declared the queue of agent batches.
    """

    retryable = True


class BusSilent(BusUnavailable):
    """The broker is there but leaves a question unanswered: a queue may have no leader.

    See `rabbitmqctl list_queues name state leader`; restart the broker, or delete the queue if it is empty.
    """


class PublisherUnavailable(CollectorError):
    """The destination did not answer: keep the messages unacknowledged and try them again."""

    retryable = True

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        """`wait` is how long the destination asks to be left alone."""
        super().__init__(reason)
        self.wait = wait


class InvalidPublisher(CollectorError):
    """The URL of a publisher is wrong: correct it in `collector.publishers`, then start again."""


class BatchRefused(CollectorError):
    """The destination can never take this batch: it is set aside, and `nephometer doctor` tells of it."""
