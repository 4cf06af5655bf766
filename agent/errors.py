"""Errors of `agent`; callers need to know one thing: try again, or never?

AgentError
├── SourceUnavailable   retryable: this source gave nothing this time; the others go on
├── InvalidPolling      never: Ceilometer's polling.yaml is wrong; names file, entry and key
├── MalformedDefinition never: a domain's XML is none we accept; its instance stays unattributed
├── SpoolLocked         never: another agent uses the spool folder
└── SpoolUnavailable    retryable: the spool's disk is full, read-only or broken
"""


class AgentError(Exception):
    """Base of every error raised on purpose by `agent`."""

    retryable = False


class SourceUnavailable(AgentError):
    """A source of readings is absent, unreachable or stuck: it is asked again at the next poll.

    The message says what was tried. For libvirt, check that the daemon runs, that `agent.libvirt_uri`
    is right and that its read-only socket may be opened by the agent's user.
    """

    retryable = True


class MalformedDefinition(AgentError):
    """A domain's definition is no XML we accept: its usage counts, but belongs to no project.

    Look at it with `virsh dumpxml`; a hard reboot of the instance makes Nova write it anew.
    """


class InvalidPolling(AgentError):
    """The file of `agent.polling` is wrong: correct the named key of the named entry, then start again."""


class SpoolLocked(AgentError):
    """Another agent works with this spool folder: stop it, or give this one its own `agent.spool_dir`."""


class SpoolUnavailable(AgentError):
    """The spool could not be read or written: check room, rights and health of the disk of `agent.spool_dir`."""

    retryable = True
