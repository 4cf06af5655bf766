"""nephometer config import: a Ceilometer installation becomes settings, and what is lost is said."""

import os
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.config import app
from cli.errors import WrongUsage
from cli.invocation import Invocation
from cli.settings import load

CONF = """
[DEFAULT]
debug = True
transport_url = rabbit://openstack:hidden@controller:5672/
host = cmp01
nova_control_exchange = nova
cinder_control_exchange = block

[database]
metering_time_to_live = 2592000
connection = mysql+pymysql://ceilometer:hidden@controller/ceilometer

[publisher]
telemetry_secret = %s

[notification]
# several cells
messaging_urls = rabbit://openstack:hidden@cell1:5672/
messaging_urls = rabbit://openstack:hidden@cell2:5672/
workers = 4

[event]
store_raw = info
store_raw = error
definitions_cfg_file = events.yaml

[oslo_messaging_rabbit]
rabbit_quorum_queue = true

[keystone_authtoken]
password = hidden
"""
PIPELINE = """
sources:
- {name: all, interval: 600, meters: ['*'], sinks: [keep, out]}
sinks:
- {name: keep, publishers: ['notifier://']}
- {name: out, publishers: ['file:///var/lib/out']}
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A folder as /etc/ceilometer is."""
    folder = tmp_path / "ceilometer"
    (folder / "meters.d").mkdir(parents=True)
    (folder / "ceilometer.conf").write_text(CONF % "a secret of ours")
    (folder / "pipeline.yaml").write_text(PIPELINE.replace("interval: 600, ", ""))
    (folder / "polling.yaml").write_text("sources: [{name: a, interval: 60, meters: [cpu]}]")
    (folder / "events.yaml").write_text(
        "- event_type: my.*\n  traits: {size: {fields: payload.size, type: int}}\n"
    )
    (folder / "meters.d" / "mine.yaml").write_text(
        "metric:\n- {name: my.size, event_type: my.event, type: gauge, unit: B, volume: $.payload.size,"
        " resource_id: $.payload.id}\n"
    )
    return folder


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["import", *arguments], obj=Invocation(None, None, None))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_an_installation_becomes_settings_that_can_be_used(etc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    code, said, report = run(str(etc), "--out", str(out))

    file = out / "nephometer.toml"
    settings = load(file, {"XDG_STATE_HOME": "/nowhere"}).settings
    assert said == f"The settings are in {file}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert settings.bus.url is not None
    assert settings.bus.url.get_secret_value() == "rabbit://openstack:hidden@controller:5672/"
    assert [url.get_secret_value()[-12:] for url in settings.bus.notification_urls] == [
        "@cell1:5672/",
        "@cell2:5672/",
    ]
    assert settings.bus.exchanges[-1] == "block"
    assert "nova" in settings.bus.exchanges
    assert settings.bus.durable_exchanges
    assert settings.retention.raw == "2592000s"
    assert settings.collector.store_raw == ("info", "error")
    assert settings.collector.pipeline == str(out / "ceilometer" / "pipeline.yaml")
    assert settings.collector.meter_files == (str(out / "ceilometer" / "meters.d"),)
    assert settings.collector.event_files == (str(out / "ceilometer" / "events.yaml"),)
    assert settings.agent.polling == out / "ceilometer" / "polling.yaml"
    assert (out / "ceilometer" / "meters.d" / "mine.yaml").exists()
    assert "hidden" not in report
    assert code == 0
    assert "LOST" not in report
    assert "not needed: ceilometer.conf [database] connection: what is in it is not taken over" in report
    assert "not needed: ceilometer.conf [notification] workers: start as many collectors" in report
    assert "not needed: ceilometer.conf [keystone_authtoken] password: auth.* says" in report
    assert "converted: pipeline.yaml, used as it is" in report


def test_without_out_nothing_is_written_and_secrets_are_masked(etc: Path) -> None:
    before = sorted(etc.rglob("*"))

    _, said, _ = run(str(etc))

    shown = tomllib.loads(said)
    assert shown["collector"]["pipeline"] == str(etc / "pipeline.yaml")
    assert shown["bus"]["url"] == "rabbit://openstack:***@controller:5672/"
    assert "hidden" not in said
    assert "a secret of ours" not in said
    assert sorted(etc.rglob("*")) == before


def test_what_is_there_is_not_overwritten_without_force(etc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "nephometer.toml").write_text("# mine")

    with pytest.raises(WrongUsage, match="is there already"):
        run(str(etc), "--out", str(out))

    assert (out / "nephometer.toml").read_text() == "# mine"
    assert not (out / "ceilometer").exists()
    run(str(etc), "--out", str(out), "--force")
    assert "transport" not in (out / "nephometer.toml").read_text()
    assert "[bus]" in (out / "nephometer.toml").read_text()


def modes(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*")}


def test_copies_are_as_tight_as_their_originals(etc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (etc / "pipeline.yaml").chmod(0o640)
    (etc / "meters.d").chmod(0o750)
    (etc / "meters.d" / "mine.yaml").chmod(0o600)
    (etc / "polling.yaml").chmod(0o644)
    expected = {"pipeline.yaml": 0o640, "meters.d": 0o750, "meters.d/mine.yaml": 0o600, "polling.yaml": 0o644}

    run(str(etc), "--out", str(out))

    made = modes(out / "ceilometer")
    assert {name: made[name] for name in expected} == expected
    (etc / "polling.yaml").chmod(0o640)
    (out / "ceilometer" / "pipeline.yaml").chmod(0o600)
    run(str(etc), "--out", str(out), "--force")
    assert modes(out / "ceilometer") == made | {"pipeline.yaml": 0o600, "polling.yaml": 0o640}


def test_a_settings_file_that_is_there_keeps_its_mode_and_group(etc: Path, tmp_path: Path) -> None:
    """As `install -m 0640 -g nephometer /dev/null` made it: it is empty, so nothing is overwritten."""
    file = tmp_path / "out" / "nephometer.toml"
    file.parent.mkdir()
    file.touch()
    file.chmod(0o640)
    group = next(
        (one for one in os.getgroups() if one != os.getgid()), 12 if os.geteuid() == 0 else os.getgid()
    )
    os.chown(file, -1, group)

    run(str(etc), "--out", str(file.parent))

    assert "[bus]" in file.read_text()
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o640, group)
    assert (file.parent / "ceilometer" / "meters.d" / "mine.yaml").stat().st_gid == group
    assert (file.parent / "ceilometer" / "meters.d").stat().st_gid == group
    file.chmod(0o644)
    run(str(etc), "--out", str(file.parent), "--force")
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o640, group)
    assert load(file, {"XDG_STATE_HOME": "/nowhere"}).settings.bus.url is not None


def test_an_installation_without_losses_gives_zero(etc: Path, tmp_path: Path) -> None:
    (etc / "ceilometer.conf").write_text(
        "[DEFAULT]\ntransport_url: rabbit://openstack:hidden@controller:5672/\n"
    )

    code, _, report = run(str(etc), "--out", str(tmp_path / "out"))

    assert code == 0, report


def test_losses_are_said_with_their_reason(etc: Path, tmp_path: Path) -> None:
    (etc / "ceilometer.conf").write_text(CONF % "change this for valid signing")
    (etc / "pipeline.yaml").write_text(PIPELINE.replace("file:///var", "monasca://var"))
    (etc / "event_pipeline.yaml").write_text("sources: nothing")
    (etc / "gnocchi_resources.yaml").write_text("{}")

    code, _, report = run(str(etc), "--out", str(tmp_path / "out"))

    assert code == 1
    for loss in (
        "[publisher] telemetry_secret: its value is no secret",
        "interval is not looked at: it belongs into polling.yaml",
        "event_pipeline.yaml is left out:",
        "gnocchi_resources.yaml:",
        "has to be corrected before it can be used: a sink of the pipelines: monasca://",
    ):
        assert loss in report


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("pipeline.yaml", "file:///var/lib/out", "kafka://h", "a sink of the pipelines: kafka://"),
        ("pipeline.yaml", "notifier://", "direct://h/?a=http://u:hidden@x/", None),
        ("ceilometer.conf", "transport_url = rabbit://", "transport_url = kafka://", "bus.url"),
        ("ceilometer.conf", "controller:5672", "controller:abc", "bus.url"),
    ],
)
def test_a_preview_finds_what_writing_finds(
    etc: Path, tmp_path: Path, file: str, old: str, new: str, reason: str | None
) -> None:
    (etc / file).write_text((etc / file).read_text().replace(old, new))

    seen, shown, preview = run(str(etc))
    done, _, report = run(str(etc), "--out", str(tmp_path / "out"))

    assert seen == done == (0 if reason is None else 1)
    assert "hidden" not in shown + preview + report
    written = str(tmp_path / "out" / "nephometer.toml")
    assert preview == report.replace(written, "what was converted")
    if reason is not None:
        assert f"LOST: what was converted has to be corrected before it can be used: {reason}" in preview


@pytest.mark.parametrize("is_written", [False, True])
def test_one_fault_does_not_hide_another(etc: Path, tmp_path: Path, is_written: bool) -> None:
    sinks = PIPELINE.replace("file://", "kafka://").replace("'notifier://'", "'notifier://?topic=mine'")
    (etc / "pipeline.yaml").write_text(sinks)
    (etc / "ceilometer.conf").write_text("[DEFAULT]\ntransport_url = kafka://controller:5672/\n")

    _, _, report = run(str(etc), *(("--out", str(tmp_path / "out")) if is_written else ()))

    corrected = [line for line in report.splitlines() if "has to be corrected" in line]
    assert len(corrected) == 2
    assert "before it can be used: bus.url" in corrected[0]
    assert "before it can be used: a sink of the pipelines: kafka://" in corrected[1]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="no file of Ceilometer's"):
        run(str(tmp_path))
