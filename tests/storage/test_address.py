import pytest

from storage.address import engines
from storage.errors import InvalidAddress
from storage.settings import DatabaseSettings

MYSQL, POSTGRESQL = "mysql+pymysql://u:hunter2@127.0.0.1:1/x", "postgresql+psycopg://u:hunter2@h/x"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"{MYSQL}?ssl_ca=/nope", "No such file or directory: '/nope'"),
        (f"{MYSQL}?foo=1", "no parameter foo"),
        (f"{MYSQL}?foo=1&foo=2", "no parameter foo"),
        (f"{MYSQL}?read_timeout=soon", "soon"),
        (f"{MYSQL}?ssl=true", "a parameter of it is not what the driver takes"),
        (f"{MYSQL}?conv=x", "a parameter of it is not what the driver takes"),
        (f"{MYSQL}?named_pipe=1", "not supported"),
        (f"{POSTGRESQL}?foo=1", 'invalid connection option "foo"'),
        ("postgresql+psycopg://u:hunter2@h:abc/db", "its port is not a number"),
        ("postgresql+psycopg://u:half@an:hunter2@h/db", "its port is not a number"),
        ("postgresql+psycopg://u:hunter2@h:99999/db", "its port is not from 1 to 65535"),
        ("sqlite:////tmp/x?timeout=soon", "soon"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_why_before_anything_is_opened(
    url: str, why: str
) -> None:
    with pytest.raises(InvalidAddress, match=r"^database\.url ") as refused:
        engines(DatabaseSettings(url=url))

    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql:///x?unix_socket=/run/x.sock&ssl_cipher=AES",
        f"{MYSQL}?charset=utf8mb4",
        f"{POSTGRESQL}?sslmode=require&application_name=metering",
        "postgresql+psycopg://u@/x?host=a,b&port=1,2",
        "sqlite://",
    ],
)
def test_what_drivers_take_is_left_to_them(url: str) -> None:
    assert engines(DatabaseSettings(url=url)).dialect.name == url.partition("://")[0]
