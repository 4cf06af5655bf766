import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.pollsters.catalog import NAMES
from cli.errors import WrongUsage
from cli.settings import DEFAULT, load, state_dir

NOWHERE: Mapping[str, str] = {"XDG_STATE_HOME": "/nowhere"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An empty settings file with an empty conf.d beside it."""
    (tmp_path / "conf.d").mkdir()
    file = tmp_path / "nephometer.toml"
    file.write_text("")
    return file


def refusal(config: Path, environ: Mapping[str, str] = NOWHERE) -> str:
    """The one line `load` refuses these settings with."""
    with pytest.raises(WrongUsage) as caught:
        load(config, environ)
    text = str(caught.value)
    assert text == " ".join(text.split()), "one line"
    assert caught.value.exit_code == 2
    return text


def test_everything_has_a_default(config: Path) -> None:
    loaded = load(config, NOWHERE)

    assert loaded.settings.database.url == "sqlite:////nowhere/nephometer/nephometer.db"
    assert loaded.settings.bus.url is None
    assert (loaded.settings.api.host, loaded.settings.api.port) == ("127.0.0.1", 8777)
    assert loaded.settings.auth.mode == "none"
    assert (loaded.settings.agent.interval, loaded.settings.alarms.interval) == (300, 60)
    assert loaded.origin("database.url") == loaded.origin("api.port") == DEFAULT


def test_each_layer_hides_the_one_below(config: Path) -> None:
    config.write_text("[api]\nport = 2\nmax_limit = 2000\nmax_periods = 2\n[agent]\ninterval = 2\n")
    (config.parent / "conf.d/10-first.toml").write_text("[api]\nport = 3\nmax_limit = 3000\n")
    (config.parent / "conf.d/20-second.toml").write_text("[api]\nport = 4\n")
    (config.parent / "conf.d/ignored.conf").write_text("nonsense")
    environ = {**NOWHERE, "NEPHOMETER_API__PORT": "5"}
    role = {"agent": {"interval": 1}, "alarms": {"interval": 1}}

    loaded = load(config, environ, defaults=role)

    api = loaded.settings.api
    assert (api.port, api.max_limit, api.max_periods) == (5, 3000, 2)
    assert (loaded.settings.agent.interval, loaded.settings.alarms.interval) == (2, 1)
    assert loaded.origin("api.port") == "environment variable NEPHOMETER_API__PORT"
    assert loaded.origin("api.max_limit") == str(config.parent / "conf.d/10-first.toml")
    assert loaded.origin("api.max_periods") == str(config)
    assert loaded.origin("alarms.interval") == "default of this role"
    assert [file.name for file in loaded.files] == ["nephometer.toml", "10-first.toml", "20-second.toml"]


def test_a_secret_may_stand_in_a_file_of_its_own(config: Path) -> None:
    secret = config.parent / "secret"
    secret.write_text("amqp://guest:hidden@broker/\n")
    config.write_text(f"[bus]\nurl_file = '{secret}'\n")

    loaded = load(config, NOWHERE)

    assert loaded.settings.bus.url is not None
    assert loaded.settings.bus.url.get_secret_value() == "amqp://guest:hidden@broker/"
    assert loaded.origin("bus.url") == str(config)


@pytest.mark.parametrize("wrong", ['tokens = "hidden"', 'tokens = ["hidden"]'])
def test_what_stands_where_a_table_with_a_secret_belongs_is_not_shown(config: Path, wrong: str) -> None:
    config.write_text(f"[auth]\n{wrong}\n")

    with pytest.raises(WrongUsage, match=r"^auth\.tokens") as refused:
        load(config, NOWHERE)

    assert "hidden" not in str(refused.value)


def test_only_one_newline_is_taken_from_a_secret(config: Path) -> None:
    secret = config.parent / "secret"
    secret.write_bytes(b"amqp://broker/ \n\r\n")

    loaded = load(config, {**NOWHERE, "NEPHOMETER_BUS__URL_FILE": str(secret)})

    assert loaded.settings.bus.url is not None
    assert loaded.settings.bus.url.get_secret_value() == "amqp://broker/ \n"
    assert loaded.origin("bus.url") == "environment variable NEPHOMETER_BUS__URL_FILE"


def test_the_database_url_counts_as_a_secret(config: Path) -> None:
    secret = config.parent / "secret"
    secret.write_text("postgresql+psycopg://meter:hidden@db/meter\n")

    loaded = load(config, {**NOWHERE, "NEPHOMETER_DATABASE__URL_FILE": str(secret)})

    assert loaded.settings.database.url == "postgresql+psycopg://meter:hidden@db/meter"


def test_a_list_of_secrets_is_one_per_line(config: Path) -> None:
    secret = config.parent / "secret"
    secret.write_text("amqp://one/\namqps://two/\n")
    config.write_text(f"[bus]\nnotification_urls_file = '{secret}'\n")

    urls = load(config, NOWHERE).settings.bus.notification_urls

    assert [url.get_secret_value() for url in urls] == ["amqp://one/", "amqps://two/"]


def test_a_secret_inside_a_list_of_tables_may_stand_in_a_file(config: Path) -> None:
    secret = config.parent / "secret"
    secret.write_text("hidden\n")
    config.write_text(f"[auth]\nmode = 'token'\n[[auth.tokens]]\ntoken_file = '{secret}'\nproject_id = 'p'\n")

    (entry,) = load(config, NOWHERE).settings.auth.tokens

    assert (entry.token.get_secret_value(), entry.project_id) == ("hidden", "p")


def test_the_file_of_a_hidden_layer_is_never_read(config: Path) -> None:
    config.write_text("[bus]\nurl_file = '/does/not/exist'\n")

    loaded = load(config, {**NOWHERE, "NEPHOMETER_BUS__URL": "amqp://broker/"})

    assert loaded.settings.bus.url is not None
    assert loaded.settings.bus.url.get_secret_value() == "amqp://broker/"


def test_systemd_credentials_win_over_files_and_lose_to_the_environment(config: Path) -> None:
    folder = config.parent / "credentials"
    folder.mkdir()
    (folder / "bus.url").write_text("amqp://credential/\n")
    (folder / "database.url").write_text("sqlite:///credential\n")
    (folder / "somebody.else").write_text("x")
    config.write_text("[bus]\nurl = 'amqp://file/'\n")
    environ = {"CREDENTIALS_DIRECTORY": str(folder), "NEPHOMETER_DATABASE__URL": "sqlite:///variable"}

    loaded = load(config, environ)

    assert loaded.settings.bus.url is not None
    assert loaded.settings.bus.url.get_secret_value() == "amqp://credential/"
    assert loaded.settings.database.url == "sqlite:///variable"
    assert loaded.origin("bus.url") == f"credential {folder / 'bus.url'}"


@pytest.mark.parametrize(
    ("text", "exchanges"), [("nova, cinder", ("nova", "cinder")), ('["nova"]', ("nova",)), ("", None)]
)
def test_a_variable_holds_a_list_by_commas_or_as_json(
    config: Path, text: str, exchanges: tuple[str, ...] | None
) -> None:
    loaded = load(config, {**NOWHERE, "NEPHOMETER_BUS__EXCHANGES": text})

    expected = load(config, NOWHERE).settings.bus.exchanges if exchanges is None else exchanges
    assert loaded.settings.bus.exchanges == expected


def test_a_variable_holds_tables_as_json(config: Path) -> None:
    tokens = json.dumps([{"token": "hidden", "project_id": "p"}])

    loaded = load(config, {"NEPHOMETER_AUTH__MODE": "token", "NEPHOMETER_AUTH__TOKENS": tokens})

    assert loaded.settings.auth.tokens[0].project_id == "p"


def test_an_entry_of_a_table_can_be_set_alone(config: Path) -> None:
    first, second = NAMES[0], NAMES[-1]
    config.write_text(f"[agent.intervals]\n{first} = 20\n{second} = 20\n")

    loaded = load(config, {**NOWHERE, f"NEPHOMETER_AGENT__INTERVALS__{first.upper()}": "30"})

    assert loaded.settings.agent.intervals == {first: 30, second: 20}
    assert loaded.origin(f"agent.intervals.{second}") == str(config)


def test_variables_of_the_client_are_no_settings(config: Path) -> None:
    load(config, {**NOWHERE, "NEPHOMETER_URL": "http://x", "NEPHOMETER_TOKEN": "hidden"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api]\nport = 'many'", ["api.port = 'many' from {file}", "valid integer", "Port to listen on"]),
        ("[api]\nport = 70000", ["api.port = '70000' from {file}", "less than or equal to 65535"]),
        ("[api]\nprot = 1", ["api.prot from {file} is not a setting", "did you mean api.port?"]),
        ("[api]\nzzz = 1", ["api.zzz from {file} is not a setting", "allowed: ", "public_url"]),
        ("[apis]\nport = 1", ["apis from {file} is not a setting", "did you mean api?"]),
        ("api = 5", ["api = '5' from {file}"]),
        ("[api.port]\nx = 1", ["api.port from {file}", "valid integer"]),
        ("[auth]\nmode = 'open'", ["auth.mode = 'open' from {file}", "'none' or 'token'"]),
        ("[auth]\nmode = 'token'", ["auth from {file} is wrong", "at least one entry in tokens"]),
        (
            "[[auth.tokens]]\ntoken = 'hidden'\nproject = 1",
            ["auth.tokens in {file}", "did you mean project_id"],
        ),
        ("[[auth.tokens]]\ntoken = 'hidden'", ["auth.tokens[0] from {file}", "project_id is needed"]),
        ("[[auth.tokens]]\ntoken = 5", ["auth.tokens[0].token from {file}", "valid string"]),
        ("[bus]\nurl = 'http://guest:hidden@broker'", ["bus.url from {file} is wrong", "amqps://"]),
        (
            "[bus]\nurl = 'amqp://hidden'\nurl_file = '/x'",
            ["bus.url and bus.url_file are both set by {file}"],
        ),
        ("[bus]\nurl_file = 5", ["bus.url_file = 5 from {file}", "path of a file"]),
        (
            "[bus]\nurl_file = '/does/not/exist'",
            ["bus.url_file from {file}", "/does/not/exist cannot be read"],
        ),
        ("[api]\nhost_file = '/x'", ["api.host_file from {file} is not a setting"]),
        ("[agent.intervals]\nnobody = 5", ["agent.intervals from {file}", "unknown pollster 'nobody'"]),
        ("[api\nport = 1", ["{file} is not TOML", "line 1"]),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(config: Path, text: str, words: list[str]) -> None:
    config.write_text(text)

    line = refusal(config)

    for word in words:
        assert word.replace("{file}", str(config)) in line
    assert "hidden" not in line


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "NEPHOMETER_API__PORT",
            "many",
            ["api.port = 'many' from environment variable NEPHOMETER_API__PORT"],
        ),
        ("NEPHOMETER_API__PROT", "1", ["api.prot from environment variable", "did you mean api.port?"]),
        ("NEPHOMETER_APIS__PORT", "1", ["apis from environment variable", "did you mean api?"]),
        ("NEPHOMETER_API__PORT__X", "1", ["api.port.x from environment variable", "api.port has no keys"]),
        (
            "NEPHOMETER_API_PORT",
            "1",
            ["NEPHOMETER_API_PORT is not a setting", "did you mean NEPHOMETER_API__PORT?"],
        ),
        ("NEPHOMETER_AUTH__TOKENS", "[hidden", ["auth.tokens from environment variable", "not JSON"]),
        ("NEPHOMETER_BUS__URL", "hidden", ["bus.url from environment variable NEPHOMETER_BUS__URL is wrong"]),
        (
            "CREDENTIALS_DIRECTORY",
            "/does/not/exist",
            ["$CREDENTIALS_DIRECTORY /does/not/exist cannot be read"],
        ),
    ],
)
def test_a_wrong_variable_is_refused_in_one_line(
    config: Path, name: str, value: str, words: list[str]
) -> None:
    line = refusal(config, {**NOWHERE, name: value})

    for word in words:
        assert word in line
    assert "hidden" not in line


def test_a_variable_and_its_file_are_refused_together(config: Path) -> None:
    environ = {"NEPHOMETER_BUS__URL": "amqp://hidden/", "NEPHOMETER_BUS__URL_FILE": "/x"}

    assert "bus.url and bus.url_file are both set by the environment" in refusal(config, environ)


def test_a_file_asked_for_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    assert f"{missing} cannot be read: No such file or directory" in refusal(missing)


def test_a_credential_that_is_no_secret_is_refused(config: Path) -> None:
    (config.parent / "api.port").write_text("1")

    assert "api.port is no secret" in refusal(config, {"CREDENTIALS_DIRECTORY": str(config.parent)})


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/nephometer"),
        ({"XDG_STATE_HOME": "not/absolute", "HOME": "/h"}, "/h/.local/state/nephometer"),
        ({"HOME": "/h"}, "/h/.local/state/nephometer"),
    ],
)
def test_state_is_kept_where_the_system_says(environ: Mapping[str, str], folder: str) -> None:
    assert state_dir(environ) == Path(folder)
