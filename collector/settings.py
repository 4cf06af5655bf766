"""What an operator sets about the broker and about how batches are gathered."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from collector.addresses import parse_address
from collector.signing import ADVICE, check_master, check_shared
from storage.settings import Age

# The control exchanges OpenStack services use unless told otherwise. Cinder, Manila, Trove and Barbican set none in
# their code and so send to oslo.messaging's own default, `openstack`; their own names are what their guides set.
# `dns` was Designate's in older releases, `ceilometer` is osprofiler's too.
SERVICE_EXCHANGES = (
    "openstack",
    "nova",
    "cinder",
    "glance",
    "neutron",
    "keystone",
    "swift",
    "heat",
    "trove",
    "manila",
    "magnum",
    "ironic",
    "octavia",
    "designate",
    "dns",
    "zaqar",
    "sahara",
    "barbican",
    "aodh",
    "ceilometer",
)


class BusSettings(BaseModel):
    """Section `bus`: the message broker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        default=None,
        description="Broker, amqp://user:password@host:5672/vhost or amqps://… or oslo.messaging's transport_url; "
        "several hosts (u:p@h1:5672,u:p@h2:5672) are tried in turn; unset: work without a broker",
    )
    notification_urls: tuple[SecretStr, ...] = Field(
        default=(), description="Brokers to take notifications from instead of `url`, one URL each"
    )
    exchanges: tuple[str, ...] = Field(
        default=SERVICE_EXCHANGES, description="Exchanges of the services whose notifications are taken"
    )
    topics: tuple[str, ...] = Field(
        default=("notifications", "versioned_notifications"),
        description="Notification topics of the services",
    )
    durable_exchanges: bool = Field(
        default=False,
        description="Make exchanges that do not exist yet durable: set it where services set amqp_durable_queues "
        "or rabbit_quorum_queue",
    )
    notification_queue: str = Field(
        default="nephometer.notifications", min_length=1, description="Our own queue of notifications"
    )
    sample_queue: str = Field(
        default="nephometer.samples", min_length=1, description="Our own queue of agents' batches"
    )
    dead_queue: str = Field(
        default="nephometer.dead",
        min_length=1,
        description="Our own queue of messages that killed collectors",
    )
    queue_type: Literal["quorum", "classic"] = Field(
        default="quorum",
        description="Type of the queues we make: quorum, or classic where the broker has no other (durable; "
        "to mirror them is a policy of the broker)",
    )
    queue_max_length: int = Field(
        default=0,
        ge=0,
        description="Messages a queue we make holds at most; 0: any number. Agents keep what a full one refuses; "
        "of notifications the oldest go to dead_queue, of which the oldest are lost",
    )
    queue_max_age: Age | None = Field(
        default=None,
        description="How long messages wait in a queue we make, a day at least; older ones go to dead_queue",
    )
    stream: str = Field(
        default="",
        description="Name of a stream that archives every notification as it came, for `nephometer replay`; "
        "empty: none",
    )
    stream_max_age: Age = Field(default="7d", description="How long the stream keeps notifications")
    stream_max_bytes: int = Field(
        default=20 * 2**30, ge=2**27, description="Bytes the stream keeps at most, the newest"
    )
    exchange: str = Field(
        default="nephometer", min_length=1, description="Our own exchange, which agents publish to"
    )
    tls_ca: Path | None = Field(
        default=None,
        description="File of certificate authorities for amqps instead of the system's (in a URL: ssl_ca_file)",
    )
    tls_cert: Path | None = Field(
        default=None, description="File of our own certificate for amqps (in a URL: ssl_cert_file)"
    )
    tls_key: Path | None = Field(
        default=None,
        description="File of its private key, unless tls_cert holds it, too (in a URL: ssl_key_file)",
    )
    tls_verify: bool = Field(
        default=True,
        description="Whether a broker must prove by its certificate that it is the host of the URL; "
        "false lets anybody between read and change everything",
    )
    signing_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        max_length=2,
        description="Collectors' secrets from which nodes' keys come (`nephometer config node-key`), 16 characters at "
        "least: the first one signs, both are valid, so that they can be changed while agents run",
    )
    require_signatures: bool = Field(
        default=False,
        description="Put agents' batches that no node's key has signed into quarantine instead of storing them",
    )
    notification_prefetch: int = Field(
        default=8000, ge=1, le=65535, description="Unacknowledged notifications a collector holds at most"
    )
    sample_prefetch: int = Field(
        default=384, ge=1, le=65535, description="Unacknowledged agent batches a collector holds at most"
    )
    heartbeat: int = Field(
        default=15, ge=2, le=600, description="Seconds between heartbeats; a dead peer is noticed after two"
    )
    timeout: float = Field(
        default=10,
        gt=0,
        le=60,
        description="Seconds to wait for a connection or for the broker's confirmation",
    )

    @field_validator("url", "notification_urls")
    @classmethod
    def _is_amqp(cls, value: object) -> object:
        for url in value if isinstance(value, tuple) else (value,):
            if isinstance(url, SecretStr):
                parse_address(url.get_secret_value())
        return value

    @field_validator("signing_secrets")
    @classmethod
    def _are_secret(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            check_master(secret.get_secret_value())
        return value

    @model_validator(mode="after")
    def _can_verify(self) -> Self:
        if self.require_signatures and not self.signing_secrets:
            raise ValueError(f"require_signatures needs signing_secrets: {ADVICE}")
        return self

    @model_validator(mode="after")
    def _has_both_halves_of_a_certificate(self) -> Self:
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key needs tls_cert")
        return self

    @property
    def notification_sources(self) -> tuple[SecretStr, ...]:
        """Every broker notifications come from: `notification_urls`, else `url`, else none."""
        return self.notification_urls or ((self.url,) if self.url else ())


class CollectorSettings(BaseModel):
    """Section `collector`: how messages become stored samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(
        default=40_000, ge=1, le=100_000, description="Samples of one transaction at most"
    )
    batch_wait: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Seconds the first message of a batch waits for others; the last one a tenth of it",
    )
    notification_limit_bytes: int = Field(
        default=2**20, ge=1024, description="Bytes of a notification; larger ones go to quarantine unread"
    )
    sample_limit_bytes: int = Field(
        default=2**20,
        ge=1024,
        description="Bytes of an agent's batch; larger ones go to quarantine unread",
    )
    definitions: str | None = Field(
        default=None, description="Folder of definition files used in addition to the packaged ones"
    )
    telemetry_secret: SecretStr | None = Field(
        default=None,
        description="Ceilometer's [publisher] telemetry_secret: its messages must then be signed with it",
    )
    publishers: tuple[SecretStr, ...] = Field(
        default=(),
        description="Other systems that are given every sample and event, one URL each: file:///path, "
        "https://host/path, udp://host, notifier://…; see docs/reference/publishers.md",
    )
    publisher_age: Age = Field(
        default="7d",
        description="How long samples and events wait for a publisher that cannot deliver before they are dropped",
    )
    publisher_bytes: int = Field(
        default=2**30,
        ge=2**20,
        description="Bytes in the database that wait for one publisher at most; then the oldest are dropped",
    )
    meter_files: tuple[str, ...] = Field(
        default=(),
        description="Ceilometer's meter definitions, files or folders such as /etc/ceilometer/meters.d, used as they "
        "are; a meter they define takes the place of the packaged one",
    )
    event_files: tuple[str, ...] = Field(
        default=(),
        description="Ceilometer's event definitions, such as /etc/ceilometer/event_definitions.yaml, used as they "
        "are; for the event types they name they take the place of the packaged ones",
    )
    pipeline: str | None = Field(
        default=None,
        description="Ceilometer's pipeline.yaml: what is derived of samples, and which publishers get which",
    )
    event_pipeline: str | None = Field(
        default=None, description="Ceilometer's event_pipeline.yaml: which publishers get which events"
    )
    pipeline_cycle: float = Field(
        default=30,
        ge=1,
        le=3600,
        description="Seconds of a cycle of transformers: what was read in one belongs together",
    )
    pipeline_settle: float = Field(
        default=60,
        ge=0,
        le=86400,
        description="Seconds that transformers wait for samples to come; what comes later is not derived from",
    )
    drop_unmatched_events: bool = Field(
        default=False,
        description="Keep no event of types that no definition names; otherwise they are kept with what every "
        "notification says of itself",
    )
    store_raw: tuple[Literal["audit", "info", "warn", "error", "critical"], ...] = Field(
        default=(),
        description="Priorities whose notifications are kept whole beside their events, less secrets; needed to "
        "replay them",
    )

    @field_validator("telemetry_secret")
    @classmethod
    def _is_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_shared(value.get_secret_value())
        return value
