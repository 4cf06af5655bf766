import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.errors import StartRefused
from cli.config import app
from cli.errors import WrongUsage
from cli.invocation import Invocation
from cli.settings import load
from collector.signing import node_key


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file full of secrets, the only source besides the defaults."""
    for name in ("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")
    file = tmp_path / "nephometer.toml"
    file.write_text(
        "[database]\nurl = 'postgresql+psycopg://meter:hidden@db/meter'\n"
        "[bus]\nurl = 'amqp://guest:hidden@broker/'\nnotification_urls = ['amqp://guest:hidden@other/']\n"
        "signing_secrets = ['hidden from all of them']\n"
        "[collector]\npublishers = ['influx://h?token=hidden&org=o&bucket=b']\n"
        "[agent]\nsigning_key = '" + "ab" * 32 + "'\n"
        "[auth]\nmode = 'token'\n[[auth.tokens]]\ntoken = 'hidden'\nproject_id = 'p'\n"
        "[alarms]\nsigning_secret = 'whsec_aGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVu'\nallow_networks = ['10.0.0.0/8']\n"
    )
    return file


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), obj=Invocation(None, None, None), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_show_is_toml_with_every_key_and_no_secret(config: Path) -> None:
    shown = run("show", "--config", str(config))

    tables = tomllib.loads(shown)
    assert "hidden" not in shown
    assert tables["database"]["url"] == "postgresql+psycopg://meter:***@db/meter"
    assert tables["bus"]["url"] == "amqp://guest:***@broker/"
    assert tables["auth"]["tokens"] == [{"token": "***", "project_id": "p", "roles": ["member"]}]
    assert tables["alarms"]["signing_secret"] == tables["agent"]["signing_key"] == "***"
    assert tables["bus"]["signing_secrets"] == ["***"]
    assert tables["collector"]["publishers"] == ["influx://h?token=***&org=o&bucket=b"]
    assert tables["api"]["port"] == 8777
    assert "# definitions is not set" in shown


def test_shown_settings_can_be_used_again(config: Path, tmp_path: Path) -> None:
    config.write_text("[api]\nhost = '::1'\n[alarms]\nallow_networks = ['10.0.0.0/8']\n")
    again = tmp_path / "again.toml"
    again.write_text(run("show", "--config", str(config)))

    assert load(again, {}).settings == load(config, {"XDG_STATE_HOME": "/nowhere"}).settings


def test_show_tells_the_origin_of_each_value(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHOMETER_API__PORT", "1")

    lines = run("show", "--origin", "--config", str(config)).splitlines()

    assert "port = 1  # environment variable NEPHOMETER_API__PORT" in lines
    assert f'allow_networks = ["10.0.0.0/8"]  # {config}' in lines
    assert 'host = "127.0.0.1"  # default' in lines
    assert "# definitions is not set  # default" in lines


def test_check_names_the_files_it_read(config: Path) -> None:
    assert run("check", "--config", str(config)) == f"The settings are right ({config}).\n"


def test_check_refuses_wrong_settings(config: Path) -> None:
    config.write_text("[api]\nport = -1\n")

    with pytest.raises(WrongUsage, match=r"api\.port"):
        run("check", "--config", str(config))


def test_check_refuses_an_api_that_would_be_open_to_everybody(config: Path) -> None:
    config.write_text("[api]\nhost = '0.0.0.0'\n")

    with pytest.raises(StartRefused, match=r"api\.host"):
        run("check", "--config", str(config))


def test_the_schema_knows_every_section_and_the_files_of_secrets() -> None:
    schema = json.loads(run("schema"))

    assert {"database", "bus", "agent", "api", "alarms"} <= set(schema["properties"])
    assert "url_file" in schema["$defs"]["BusSettings"]["properties"]
    assert "token_file" in schema["$defs"]["StaticToken"]["properties"]
    assert "host_file" not in schema["$defs"]["ApiSettings"]["properties"]


def test_a_nodes_key_is_derived_and_never_the_secret_itself(config: Path) -> None:
    config.write_text("[bus]\nsigning_secrets = ['a secret of the collectors', 'the one before that']\n")

    keys = [run("node-key", node, "--config", str(config)).strip() for node in ("node-1", "node-2")]

    assert keys[0] == node_key("a secret of the collectors", "node-1").hex()
    assert len(set(keys)) == 2


def test_a_nodes_key_needs_a_secret(config: Path) -> None:
    config.write_text("")

    with pytest.raises(WrongUsage, match="signing_secrets"):
        run("node-key", "node-1", "--config", str(config))


def test_check_reads_the_files_that_settings_name(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(
        "sources: [{name: a, meters: ['*'], sinks: [lost]}]\nsinks: [{name: s, publishers: [x]}]"
    )
    config = tmp_path / "nephometer.toml"
    config.write_text(f"[collector]\npipeline = '{pipeline}'\n")

    with pytest.raises(WrongUsage, match="there is no sink 'lost'"):
        run("check", "--config", str(config))


@pytest.mark.parametrize("url", ["postgresql+psycopg://u:p@h:abc/db", "mysql+pymysql://u:p@h/x?ssl_ca=/nope"])
def test_check_refuses_a_database_address_that_cannot_work(config: Path, url: str) -> None:
    config.write_text(f"[database]\nurl = '{url}'\n")

    with pytest.raises(WrongUsage, match=r"database\.url"):
        run("check", "--config", str(config))


def test_show_hides_what_parameters_of_an_address_hold_of_secrets(config: Path) -> None:
    config.write_text("[database]\nurl = 'postgresql+psycopg://u@h/x?password=hidden&sslmode=require'\n")

    shown = tomllib.loads(run("show", "--config", str(config)))

    assert shown["database"]["url"] == "postgresql+psycopg://u@h/x?password=***&sslmode=require"
