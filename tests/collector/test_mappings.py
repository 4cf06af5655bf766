from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.envelope import Notification
from collector.errors import InvalidDefinition
from collector.mappings import event_mapping, meter_mapping
from collector.settings import CollectorSettings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
METERS = """
metric:
- name: volume.size
  event_type: volume.exists
  type: gauge
  unit: B
  volume: $.payload.bytes
  resource_id: $.payload.volume_id
"""
EVENTS = "[{event_type: volume.exists, traits: {mine: {fields: payload.mine}}}]"
OWN = "{service: x, events: [{events: [volume.exists], traits: {own: payload.mine}}]}"
PAYLOAD = {"volume_id": "v", "tenant_id": "p", "size": 10, "bytes": 7, "mine": "m", "status": "in-use"}


def told(event_type: str) -> Notification:
    return Notification("m", "volume.h", event_type, "info", PAYLOAD, "2026-01-01 11:00:00")


@pytest.fixture
def settings(tmp_path: Path) -> CollectorSettings:
    """Settings that name a folder of meters, a file of events and a folder of our own format."""
    for folder, name, text in (
        ("meters.d", "m.yaml", METERS),
        ("etc", "e.yaml", EVENTS),
        ("own", "o.yaml", OWN),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    return CollectorSettings(
        meter_files=(str(tmp_path / "meters.d"),),
        event_files=(str(tmp_path / "etc" / "e.yaml"),),
        definitions=str(tmp_path / "own"),
        store_raw=("info",),
    )


def test_an_imported_meter_is_the_only_one_of_its_name(settings: CollectorSettings) -> None:
    mapping = meter_mapping(settings)

    exists, created = mapping.drafts(told("volume.exists")), mapping.drafts(told("volume.create.end"))

    assert [(draft.meter, draft.unit, draft.volume) for draft in exists] == [("volume.size", "B", 7)]
    assert created == []
    assert [
        draft.volume for draft in meter_mapping(CollectorSettings()).drafts(told("volume.create.end"))
    ] == [10]


OWN_METERS = """
service: mine
notifications:
- events: [EVENTS]
  resource: payload.volume_id
  project: payload.tenant_id
  meters:
  - {name: volume.size, unit: MiB, volume: {path: payload.size, times: 1024}, optional: true}
  - {name: volume.mine, unit: thing, volume: 1}
"""


@pytest.mark.parametrize("events", ["volume.exists", "volume.*", "'*'", "volume.exists, volume.delete.end"])
@pytest.mark.parametrize("is_imported", [False, True])
def test_an_own_meter_takes_the_place_of_all_others_of_its_name(
    tmp_path: Path, settings: CollectorSettings, events: str, is_imported: bool
) -> None:
    (tmp_path / "own" / "meters.yaml").write_text(OWN_METERS.replace("EVENTS", events))
    chosen = settings if is_imported else settings.model_copy(update={"meter_files": ()})

    with capture_logs() as logs:
        mapping = meter_mapping(chosen)
    drafts = mapping.drafts(told("volume.exists"))

    sizes = [(draft.unit, draft.volume) for draft in drafts if draft.meter == "volume.size"]
    assert sizes == [("MiB", 10240)]
    assert [draft.volume for draft in drafts if draft.meter == "volume.mine"] == [1]
    assert {"event": "packaged_meter_replaced", "meter": "volume.size", "log_level": "info", "definitions":
            chosen.definitions} in logs  # fmt: skip


def test_a_packaged_meter_stays_where_an_own_one_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN_METERS.replace("EVENTS", "volume.delete.end"))
    mapping = meter_mapping(CollectorSettings(definitions=str(tmp_path)))
    unsized = Notification(
        "m", "volume.h", "volume.delete.end", "info", PAYLOAD | {"size": None}, "2026-01-01 11:00:00"
    )

    exists = [draft.unit for draft in mapping.drafts(told("volume.exists")) if draft.meter == "volume.size"]
    deleted = [draft.meter for draft in mapping.drafts(unsized)]

    assert exists == ["GiB"]
    assert "volume.mine" in deleted


def test_events_have_the_traits_of_the_operators_files_in_place_of_the_packaged_ones(
    settings: CollectorSettings,
) -> None:
    event = event_mapping(settings).event(told("volume.exists"), NOW)
    packaged = event_mapping(CollectorSettings()).event(told("volume.exists"), NOW)

    assert event is not None
    assert packaged is not None
    names = {trait.name for trait in event.traits}
    assert {"mine", "own", "project_id"} <= names
    assert {"status", "size"} & names == set()
    assert {"status", "size"} <= {trait.name for trait in packaged.traits}
    assert event.raw is not None
    assert packaged.raw is None


@pytest.mark.parametrize("key", ["meter_files", "event_files"])
def test_a_file_that_is_not_there_ends_the_start(key: str) -> None:
    settings = CollectorSettings.model_validate({key: ["/nowhere/x.yaml"]})

    with pytest.raises(InvalidDefinition, match=r"/nowhere/x\.yaml"):
        (meter_mapping if key == "meter_files" else event_mapping)(settings)
