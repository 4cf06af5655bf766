"""pipeline.yaml and event_pipeline.yaml as people have them, and what is said of wrong ones."""

from pathlib import Path

import pytest

from collector.errors import InvalidDefinition
from collector.pipelines.files import read_event_pipelines, read_pipelines
from collector.pipelines.wildcards import Wildcards

ROCKY = Path(__file__).parent / "rocky.yaml"
HEAD = "sources: [{name: a, meters: ['*'], sinks: [s]}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pipeline.yaml"


def test_the_pipelines_of_rocky_are_read_as_they_are() -> None:
    found = read_pipelines(ROCKY)

    assert [source.name for source in found.sources] == [
        "meter_source",
        "cpu_source",
        "disk_source",
        "network_source",
    ]
    assert [sink.name for sink in found.sinks_of("cpu")] == ["meter_sink", "cpu_sink", "cpu_delta_sink"]
    assert [sink.name for sink in found.sinks_of("memory")] == ["meter_sink"]
    names = {
        meter: sink.name_of(meter)
        for meter in ("cpu", "disk.device.read.bytes", "disk.write.requests", "network.outgoing.packets")
        for sink in found.sinks_of(meter)
        if sink.steps
    }
    assert names == {
        "cpu": "cpu.delta",
        "disk.device.read.bytes": "disk.device.read.bytes.rate",
        "disk.write.requests": "disk.write.requests.rate",
        "network.outgoing.packets": "network.outgoing.packets.rate",
    }
    assert found.remarks == ()


def test_what_belongs_into_polling_yaml_is_remarked_upon(file: Path) -> None:
    file.write_text(
        "sources:\n- {name: a, interval: 600, resources: [x], meters: [cpu], sinks: [s]}\n"
        "sinks:\n- {name: s, transformers: null, publishers: ['notifier://']}\n- {name: idle, publishers: [a]}\n"
    )

    remarks = read_pipelines(file).remarks

    assert len(remarks) == 3
    assert "sources[0] 'a': interval is not looked at" in remarks[0]
    assert "sink 'idle' is used by no source" in remarks[2]


def test_the_list_of_havana_is_read(file: Path) -> None:
    file.write_text(
        "- {name: meter_pipeline, interval: 600, counters: ['*'], transformers: , publishers: ['rpc://']}\n"
        "- {name: cpu_pipeline, interval: 600, meters: [cpu], publishers: ['rpc://'],"
        " transformers: [{name: rate_of_change, parameters: {target: {name: cpu_util, unit: '%', type: gauge}}}]}\n"
    )

    found = read_pipelines(file)

    assert [sink.name for sink in found.sinks_of("cpu")] == ["meter_pipeline", "cpu_pipeline"]
    assert found.sinks_of("cpu")[1].name_of("cpu") == "cpu_util"


def test_event_pipelines_choose_event_types(file: Path) -> None:
    file.write_text(
        "sources: [{name: e, events: ['!*.exists'], sinks: [s]}]\n"
        "sinks: [{name: s, transformers: [], publishers: ['gnocchi://', 'notifier://']}]"
    )

    found = read_event_pipelines(file)

    assert found.sinks_of("compute.instance.exists") == ()
    assert found.sinks_of("image.update")[0].publishers == ("gnocchi://", "notifier://")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources: [", "is not YAML"),
        ("", "needs a list `sources`"),
        (HEAD, "needs a list `sinks`"),
        (HEAD + "sinks: [7]", "sinks[0]"),
        (HEAD + "sinks: [{name: s}]", "sinks[0] 's': Object missing required field `publishers`"),
        (HEAD + "sinks: [{name: s, publishers: []}]", "sinks[0] 's': publishers"),
        (HEAD + "sinks: [{name: t, publishers: [x]}]", "sources[0] 'a': sinks: there is no sink 's'"),
        (HEAD + "sinks: [{name: s, publishers: [x]}, {name: s, publishers: [x]}]", "'s' stands there twice"),
        (
            HEAD.replace("'*'", "'*', cpu") + "sinks: [{name: s, publishers: [x]}]",
            "meters: names cpu beside *",
        ),
        (HEAD.replace("'*'", "cpu, '!b'") + "sinks: [{name: s, publishers: [x]}]", "both what is in"),
        (HEAD.replace("'*'", "") + "sinks: [{name: s, publishers: [x]}]", "meters: must name something"),
    ],
)
def test_errors_name_file_entry_and_key(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)

    with pytest.raises(InvalidDefinition) as raised:
        read_pipelines(file)

    assert str(file) in str(raised.value)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("transformer", "complaint"),
    [
        ("{name: mean}", "there is no transformer 'mean'"),
        ("{name: unit_conversion, parameters: {target: {scale: 'open(1)'}}}", "not allowed in an expression"),
        ("{name: arithmetic, parameters: {target: {expr: '3 * 4'}}}", "names no meter"),
        ("{name: aggregator, parameters: {size: many}}", "$.size"),
        ("{name: accumulator, parameters: {sise: 3}}", "sise"),
        (
            "{name: rate_of_change, parameters: {source: {map_from: {name: '(a'}}, target: {map_to: {name: b}}}}",
            "`name` of map_from",
        ),
        (
            "{name: rate_of_change, parameters: {source: {map_from: {name: a}}, target: {map_to: {name: '\\2'}}}}",
            "invalid group reference",
        ),
    ],
)
def test_errors_of_transformers_name_their_place(file: Path, transformer: str, complaint: str) -> None:
    file.write_text(
        HEAD + f"sinks: [{{name: s, publishers: [x], transformers: [{{name: delta}}, {transformer}]}}]"
    )

    with pytest.raises(InvalidDefinition) as raised:
        read_pipelines(file)

    assert "sinks[0] 's': transformers[1]" in str(raised.value)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["*"], {"cpu", "disk.read.bytes", "disk.write.bytes"}),
        (["disk.*"], {"disk.read.bytes", "disk.write.bytes"}),
        (["!disk.*"], {"cpu"}),
        (["*", "!disk.read.*"], {"cpu", "disk.write.bytes"}),
        (["cpu", "disk.?????.bytes"], {"cpu", "disk.write.bytes"}),
    ],
)
def test_wildcards_choose_as_ceilometers_do(patterns: list[str], chosen: set[str]) -> None:
    names = Wildcards(patterns)

    assert {name for name in ("cpu", "disk.read.bytes", "disk.write.bytes") if name in names} == chosen
