"""What a process is called among those that share the work of one store."""

import os
import secrets
import socket

HOST_CHARACTERS = 40  # of 64 the name of a holder may have


def holder() -> str:
    """A name for the holder of one lease: host and process for people, and what no other has."""
    return f"{socket.gethostname()[:HOST_CHARACTERS]}/{os.getpid()}/{secrets.token_hex(4)}"
