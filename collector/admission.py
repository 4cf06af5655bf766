"""Which agents' batches are let in."""

from collections.abc import Mapping

import structlog

from collector.metrics import CollectorMetrics
from collector.settings import BusSettings
from collector.signing import NODE_HEADER, Verdict, Verifier

log = structlog.get_logger()

NODE_CHARACTERS = 64  # of a name that nobody vouches for


class Admission:
    """Looks at the signatures of agents' batches, counts what they are, and refuses what the settings refuse."""

    def __init__(self, settings: BusSettings, metrics: CollectorMetrics) -> None:
        secrets = [secret.get_secret_value() for secret in settings.signing_secrets]
        self._verifier = Verifier(secrets) if secrets else None
        self._is_required = settings.require_signatures
        self._signatures = metrics.signatures
        self._told: set[Verdict] = set()

    def refusal(self, headers: Mapping[str, object] | None, body: bytes) -> str | None:
        """Why a batch is not let in, None when it is."""
        if self._verifier is None:
            return None
        verdict = self._verifier.verdict(headers, body)
        self._signatures.labels(verdict).inc()
        if verdict == "valid":
            return None
        node = str((headers or {}).get(NODE_HEADER, "no node"))[:NODE_CHARACTERS]
        if verdict not in self._told:
            self._told.add(verdict)
            log.warning("batch_not_signed", signature=verdict, node=node, stored=not self._is_required)
        return f"unsigned: the signature of {node} is {verdict}" if self._is_required else None
