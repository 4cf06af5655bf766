from pydantic import BaseModel, ConfigDict, Field, field_validator

SCHEMES = ("sqlite", "postgresql+psycopg", "mysql+pymysql")


class DatabaseSettings(BaseModel):
    """Where samples, alarms and everything else are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        default="",
        repr=False,  # it may hold a password
        description="sqlite:///PATH, postgresql+psycopg://USER:PASSWORD@HOST/NAME or mysql+pymysql://…; "
        "unset: an SQLite file in the state folder",
    )
    pool_size: int = Field(default=5, ge=1, le=100, description="connections a process keeps open")
    timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="seconds to wait for a connection, a lock or an API query"
    )

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        if url and not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
        return url
