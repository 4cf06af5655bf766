import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from storage.log import configure
from storage.secrets import mask_url


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True, level="info")

    structlog.get_logger().warning("batch_refused", samples=3, rate=float("nan"), error="first\r\nsecond")

    (line,) = lines(capsys)
    assert (line["event"], line["samples"], line["error"]) == ("batch_refused", 3, "first\r\nsecond")
    assert line["rate"] == "nan"  # JSON has no word for it
    assert (line["level"], line["logger"]) == ("warning", "tests.storage.test_log")
    assert str(line["timestamp"]).endswith("Z")


def test_a_library_logs_like_we_do(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True, level="info")

    logging.getLogger("library").warning("lost %s", "amqp://guest:hidden@broker/")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)  # catching put the normal way of warnings back
        warnings.warn("old habit", UserWarning, stacklevel=1)

    lost, warned = lines(capsys)
    assert (lost["event"], lost["logger"]) == ("lost amqp://guest:***@broker/", "library")
    assert "old habit" in str(warned["event"])


def test_a_line_for_people_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=False, level="info")

    structlog.get_logger().info("refused", reason="x\n2026 forged\x1b[2J\u2028", why=ValueError("a\nb"))
    logging.getLogger("library").info("y\r\nforged")

    output = capsys.readouterr().err
    assert output.count("\n") == 2
    assert "x\\n2026 forged\\x1b[2J\\u2028" in output
    assert "y\\r\\nforged" in output


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_masked_wherever_they_stand(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    configure(json=as_json, level="debug")

    try:
        raise OSError("no route to postgresql://meter:hidden@db/x")
    except OSError:
        structlog.get_logger().exception(
            "failed",
            url="mysql://meter:hid@den@db/x",
            auth_token="hidden",
            headers={"X-Auth-Token": "hidden", "Accept": "json"},
            settings={
                "credential": "hidden",
                "psk": "hidden",
                "passphrase": "hidden",
                "access_key": "hidden",
            },
            urls=["amqp://a:hidden@b"],
        )

    output = capsys.readouterr().err
    assert "hid" not in output
    assert "postgresql://meter:***@db/x" in output
    assert "Traceback" in output
    assert "json" in output


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True, level="warning")

    structlog.get_logger().info("started")
    logging.getLogger("library").info("started")
    structlog.get_logger().error("broken")

    assert [line["event"] for line in lines(capsys)] == ["broken"]


def test_configuring_again_doubles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=False, level="debug")
    configure(json=True, level="info")

    logging.getLogger("library").info("once")

    assert [line["event"] for line in lines(capsys)] == ["once"]


def test_attempts_of_the_broker_library_are_only_told_when_debugging(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(json=True, level="info")
    logging.getLogger("pika.adapters").error("refused")

    configure(json=True, level="debug")
    logging.getLogger("pika.adapters").error("refused again")

    assert [line["event"] for line in lines(capsys)] == ["refused again"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        configure(json=True, level="loud")


def test_a_url_without_a_password_stays() -> None:
    assert mask_url("http://[::1]:8777/v2?at=a@b") == "http://[::1]:8777/v2?at=a@b"


@pytest.mark.parametrize(
    "hosts", ["u:hunter2@one,u:hunter2@two", "u@one,u:hunter2@two:5672", "one:1,u:hunter2@two"]
)
def test_every_password_of_a_url_with_several_hosts_is_masked(hosts: str) -> None:
    assert "hunter2" not in mask_url(f"rabbit://{hosts}/vhost")
