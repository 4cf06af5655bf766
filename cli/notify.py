"""What a role tells systemd about itself; nothing happens where systemd does not listen.

Source: sd_notify(3): datagrams to the unix socket $NOTIFY_SOCKET; "@" begins an abstract name.
"""

import os
import socket

import structlog

log = structlog.get_logger()


def ready() -> None:
    """Say that the role has started."""
    _send(b"READY=1")


def watchdog() -> None:
    """Say that the role is alive."""
    _send(b"WATCHDOG=1")


def stopping() -> None:
    """Say that the role has begun to end."""
    _send(b"STOPPING=1")


def _send(state: bytes) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(1.0)
        try:
            channel.sendto(state, address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError as error:
            log.debug("systemd_not_notified", state=state.decode(), error=str(error))
