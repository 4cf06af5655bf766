"""What an operator sets about the agent."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

KEY = re.compile("[0-9a-f]{64}")

Seconds = Annotated[float, Field(ge=1, le=86400)]


class AgentSettings(BaseModel):
    """Section `agent`: what is sampled on this node, how often, and where it waits to be delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: Seconds = Field(default=300, description="Seconds between two polls")
    intervals: Mapping[str, Seconds] = Field(
        default_factory=dict, description="Seconds between two polls of single pollsters, by their name"
    )
    disabled: tuple[str, ...] = Field(default=(), description="Names of pollsters that shall not run")
    polling: Path | None = Field(
        default=None,
        description="Ceilometer's polling.yaml: which pollsters run, how often; `intervals` and `disabled` add to it",
    )
    libvirt_uri: str = Field(
        default="qemu:///system", description="Where libvirt is found (opened read-only); empty: no instances"
    )
    transport: Literal["auto", "bus"] = Field(
        default="auto",
        description="How batches leave: `bus` by the broker; `auto` directly when the collector is in the"
        " same process and no broker is set, else by the broker",
    )
    host: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=255,
        description="Name of this node in resource ids and metadata (default: the host name)",
    )
    spool_dir: Path | None = Field(
        default=None, description="Folder of undelivered batches (default: `spool` in the state folder)"
    )
    spool_limit_bytes: int = Field(
        default=2**30, ge=2**24, description="Bytes of undelivered batches kept at most, on disk"
    )
    source_deadline: float = Field(
        default=10, gt=0, le=300, description="Seconds a source may take; a later answer is thrown away"
    )

    signing_key: SecretStr | None = Field(
        default=None,
        description="This node's key to sign batches with, from `nephometer config node-key HOST` on a collector",
    )

    @field_validator("signing_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not KEY.fullmatch(value.get_secret_value()):
            raise ValueError("must be the 64 hexadecimal digits that `nephometer config node-key` prints")
        return value

    @field_validator("intervals", "disabled")
    @classmethod
    def _are_pollsters(cls, value: Mapping[str, float] | tuple[str, ...]) -> object:
        if not value:
            return value
        from agent.pollsters.catalog import NAMES  # every role reads these settings, few name a pollster

        for name in value:
            if name not in NAMES:
                raise ValueError(f"unknown pollster {name!r}; there are {', '.join(NAMES)}")
        return value
