"""What an operator sets for the API, its callers and the alarms."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from api.alarms.secret import key_of

# What docs/how-to/install.md shows.
PLACEHOLDER = re.compile("SECRET[0-9]*")

Role = Literal["reader", "member", "admin", "service"]


def _network(text: str) -> str:
    """A CIDR network, or `address:port`; raises ValueError naming both forms."""
    address, separator, port = text.rpartition(":")
    try:
        if (
            separator
            and port.isdecimal()
            and "/" not in text
            and (text.count(":") == 1 or address.startswith("["))
        ):
            ipaddress.ip_address(address.strip("[]"))
            if not 0 < int(port) < 65536:
                raise ValueError("port out of range")
        else:
            ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("a network as 10.0.0.0/8 or an address and port as 127.0.0.1:9000") from error
    return text


def _signing_secret(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


def _token(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if PLACEHOLDER.fullmatch(text):
        raise ValueError("this is what documentation writes in its place: make one by `openssl rand -hex 32`")
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("no header can carry it: use printable ASCII without spaces at its ends")
    return secret


class ApiSettings(BaseModel):
    """Where the API listens and what one request may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8777, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="URL under which callers reach the API (behind a proxy); unset: as they asked for it.",
    )
    default_limit: int = Field(100, ge=1, description="Rows of a list when the caller gives no limit.")
    max_limit: int = Field(10_000, ge=1, description="Rows a caller may ask for at most.")
    max_periods: int = Field(11_000, ge=1, description="Periods one statistics request may have at most.")
    max_statistics: int = Field(
        110_000, ge=1, description="Periods times groups one statistics request may answer at most."
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Bytes of a request body at most.")
    max_connections: int = Field(1000, ge=1, description="Connections served at once; more get 503.")
    worker_threads: int = Field(16, ge=1, le=200, description="Requests worked on at once.")

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.default_limit > self.max_limit:
            raise ValueError("default_limit must not be larger than max_limit")
        return self


class StaticToken(BaseModel):
    """A token known from the settings, and who its bearer is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[SecretStr, AfterValidator(_token)] = Field(
        min_length=1, description="The text callers send as X-Auth-Token."
    )
    project_id: str | None = Field(None, min_length=1, description="Project the bearer acts in.")
    user_id: str | None = Field(None, min_length=1, description="User the bearer is.")
    roles: tuple[Role, ...] = Field(
        ("member",), min_length=1, description="reader, member, admin or service."
    )

    @model_validator(mode="after")
    def _has_a_project(self) -> Self:
        if self.project_id is None and not {"admin", "service"} & set(self.roles):
            raise ValueError("project_id is needed unless the roles hold admin or service")
        return self


class AuthSettings(BaseModel):
    """Who may call the API. `none` lets everybody in and therefore only listens on loopback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["none", "token"] = Field(
        "none", description="none (only on loopback) or token; keystone is not available in this version."
    )
    tokens: tuple[StaticToken, ...] = Field((), description="The tokens of mode token.")

    @model_validator(mode="after")
    def _tokens_fit_the_mode(self) -> Self:
        if self.mode == "token" and not self.tokens:
            raise ValueError("mode token needs at least one entry in tokens")
        if len({entry.token.get_secret_value() for entry in self.tokens}) < len(self.tokens):
            raise ValueError("the same token is listed twice in tokens")
        return self


class AlarmSettings(BaseModel):
    """How alarms are evaluated and their webhooks delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: float = Field(60, gt=0, le=86_400, description="Seconds between two evaluations of an alarm.")
    allow_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (),
        description="Private networks (10.0.0.0/8) or single receivers (127.0.0.1:9000) webhooks may go to.",
    )
    signing_secret: Annotated[SecretStr, AfterValidator(_signing_secret)] | None = Field(
        None, description="Secret of the webhook signatures (whsec_ and base64 of 24 to 64 bytes)."
    )
    max_actions: int = Field(5, ge=0, description="Actions an alarm may have per state.")
    delivery_timeout: float = Field(
        10, gt=0, le=50, description="Seconds one delivery attempt may take in all."
    )
