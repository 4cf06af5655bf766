"""Signatures of agents' batches: each node has a key of its own, derived from a secret that only collectors have.

A batch is sent with the node's name and the HMAC-SHA256 of its bytes in two AMQP headers, so that the batch itself
stays as it is. A batch that is sent again, by whomever, changes nothing: what is stored is known by resource, meter
and time, or by an id.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

NODE_HEADER, SIGNATURE_HEADER = "nephometer-node", "nephometer-signature"
KEY_BYTES = 32
SALT = b"nephometer agent batch 1"
SECRET_CHARACTERS = 16  # of a master secret at least
# Ceilometer's defaults, which everybody knows.
PUBLISHED = frozenset({"change this for valid signing", "change this or be hacked"})
NODES = 20_000  # whose keys are kept
ADVICE = "make one with `openssl rand -hex 32`"

Verdict = Literal["valid", "wrong", "missing"]


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs the batches of one node."""

    node: str
    key: bytes

    def headers(self, body: bytes) -> dict[str, str]:
        """The AMQP headers that say who sent these bytes."""
        signature = hmac.digest(self.key, body, "sha256").hex()
        return {NODE_HEADER: self.node, SIGNATURE_HEADER: signature}


class Verifier:
    """Tells whose signature of a batch is right; every secret given is valid."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        self._keys = lru_cache(NODES)(lambda node: tuple(node_key(secret, node) for secret in self._secrets))

    def verdict(self, headers: Mapping[str, object] | None, body: bytes) -> Verdict:
        """Whether the headers hold the signature of a node that one of the secrets is for.

        Takes the same time whatever is wrong with a signature.
        """
        node, signature = (headers or {}).get(NODE_HEADER), (headers or {}).get(SIGNATURE_HEADER)
        if not isinstance(node, str) or not isinstance(signature, str):
            return "missing"
        claimed = signature.encode("utf-8", "replace")
        is_valid = any(
            hmac.compare_digest(claimed, hmac.digest(key, body, "sha256").hex().encode())
            for key in self._keys(node)
        )
        return "valid" if is_valid else "wrong"


def node_key(secret: str, node: str) -> bytes:
    """The key of a node: it tells nothing about the secret or the keys of others."""
    return hkdf(secret.encode(), SALT, node.encode("utf-8", "surrogatepass"), KEY_BYTES)


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """A key of `length` bytes, at most 8160. Source: RFC 5869 with SHA-256."""
    pseudorandom = hmac.digest(salt or bytes(32), secret, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // hashlib.sha256().digest_size) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def check_master(secret: str) -> None:
    """Raises ValueError for a secret that others know or may guess."""
    check_shared(secret)
    if len(secret) < SECRET_CHARACTERS:
        raise ValueError(f"has fewer than {SECRET_CHARACTERS} characters: {ADVICE}")


def check_shared(secret: str) -> None:
    """Raises ValueError for a secret that is none: an empty one, or the one everybody knows."""
    if not secret.strip():
        raise ValueError(f"is empty: {ADVICE}, or leave it out")
    if secret.strip() in PUBLISHED:
        raise ValueError(f"is the default everybody knows: {ADVICE}")
