"""Gnocchi's REST API, version 1. Source: https://gnocchi.osci.io/rest.html; answers as of Gnocchi 4.7."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx2
import msgspec

from collector.errors import InvalidDefinition, InvalidPublisher, PublisherUnavailable
from collector.listed import encode_json
from collector.publishers.gnocchi_rules import PACKAGED, ResourceRule, Rules, read_rules
from collector.publishers.publisher import EVERYTHING
from collector.publishers.service import Service
from collector.publishers.target import Target
from collector.publishers.web import checked
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample

MEASURES = "/v1/batch/resources/metrics/measures?create_metrics=true"
METRICS_AT_ONCE = 200
TIMEOUT_S = 30.0
REMEMBERED = 50_000  # resources whose attributes are known to be there
BAD_REQUEST, NOT_FOUND, CONFLICT, FORBIDDEN = 400, 404, 409, 403

Object = dict[str, object]
RuleOf = Callable[[str], ResourceRule | None]


class Gnocchi:
    """gnocchi://[user:password@host:port]?archive_policy=…&cloud=…: the same measure twice is one (seen with 4.7).

    Resources and metrics that Gnocchi does not know are made when it says so, and its resource types and archive
    policies when there are none. Attributes follow the samples' metadata; deletions end their resources.
    """

    takes = EVERYTHING

    def __init__(self, target: Target) -> None:
        self.name, options = target.name, target.options
        self._policy = options.text("archive_policy") or None
        file = options.text("resources_definition_file")
        for ignored in ("filter_project", "filter_domain", "enable_filter_project"):
            options.text(ignored)  # Ceilometer's; what Gnocchi itself uses is metered like everything else
        self._service = Service(target, "metric", TIMEOUT_S)
        options.done()
        try:
            self._rules: Rules = read_rules(Path(file) if file else PACKAGED, self._policy)
        except InvalidDefinition as error:
            raise InvalidPublisher(f"{self.name}: {error}") from error
        self._by_meter: dict[str, ResourceRule | None] = {}
        self._known: dict[str, Mapping[str, str]] = {}
        self._are_policies_there = False

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Stores measures, then what events change; raises PublisherUnavailable and BatchRefused."""
        if len(samples):
            self._make_policies()
            for part in _parts(samples.samples()):
                self._store(_Batch(part, self._rule))
        for event in events:
            for rule in self._rules.resources:
                change = rule.change(event)
                if change is not None:
                    self._apply(rule, change, event)

    def close(self) -> None:
        """Ends the connection."""
        self._service.close()

    def _rule(self, meter: str) -> ResourceRule | None:
        if meter not in self._by_meter:
            fitting = (rule for rule in self._rules.resources if rule.policy(meter) is not None)
            self._by_meter[meter] = next(fitting, None)
        return self._by_meter[meter]

    def _store(self, batch: "_Batch") -> None:
        if not batch.measures:
            return
        answer = self._ask("POST", MEASURES, batch.measures)
        unknown = _unknown(answer)
        if unknown:
            for key in unknown:
                if key in batch.resources:
                    self._create(batch.rules[key].type, batch.resources[key], batch.attributes[key])
            answer = self._ask("POST", MEASURES, batch.measures)
        _stored(answer)
        for key, attributes in batch.attributes.items():
            self._update(batch.rules[key].type, key, attributes)

    def _create(self, kind: str, resource: Object, attributes: Mapping[str, str]) -> None:
        """Makes a resource, and its type if there is none; one that exists will do."""
        body = {**resource, **attributes}
        answer = self._ask("POST", f"/v1/resource/{kind}", body)
        if answer.status_code == NOT_FOUND:
            self._create_type(kind)
            answer = self._ask("POST", f"/v1/resource/{kind}", body)
        if answer.status_code != CONFLICT:
            checked(answer)
            self._remember(str(resource["id"]), attributes)

    def _create_type(self, kind: str) -> None:
        names = {
            name
            for rule in self._rules.resources
            if rule.type == kind
            for name, _ in (*rule.attributes, *rule.event_attributes)
        }
        attributes = {name: {"type": "string", "required": False} for name in sorted(names - {"id"})}
        answer = self._ask("POST", "/v1/resource_type", {"name": kind, "attributes": attributes})
        if answer.status_code != CONFLICT:
            checked(answer)

    def _update(self, kind: str, key: str, attributes: Mapping[str, str]) -> None:
        """Attributes as they are now, if they are not known to be so; a resource of another type keeps its own."""
        if not attributes or self._known.get(key) == attributes:
            return
        answer = self._ask("PATCH", f"/v1/resource/{kind}/{quote(key, safe='')}", attributes)
        if answer.status_code != NOT_FOUND:
            checked(answer)
        self._remember(key, attributes)

    def _remember(self, key: str, attributes: Mapping[str, str]) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = attributes

    def _apply(self, rule: ResourceRule, change: str, event: Event) -> None:
        attributes = rule.traits_of(event)
        key = _key(attributes.pop("id", ""))
        if not key:
            return
        if change == "create":
            resource: Object = {"id": key, "project_id": event.project_id, "user_id": event.user_id}
            resource["started_at"] = event.generated.isoformat()
            self._create(rule.type, resource, attributes)
        elif change == "update":
            self._update(rule.type, key, attributes)
        else:
            for kind, one in ((rule.type, key), *self._associated(rule, key)):
                self._end(f"/v1/resource/{kind}/{quote(one, safe='')}", event.generated)

    def _end(self, path: str, moment: datetime) -> None:
        """Says when a resource ended; one that was made later than that, by whomever, ends now."""
        for ended_at in (moment, datetime.now(UTC)):
            answer = self._ask("PATCH", path, {"ended_at": ended_at.isoformat()})
            if answer.status_code == NOT_FOUND:
                return
            if answer.status_code != BAD_REQUEST:
                break
        checked(answer)

    def _associated(self, rule: ResourceRule, key: str) -> Iterable[tuple[str, str]]:
        """Types and ids of the resources that end with this one."""
        for kind, search in rule.associated:
            quoted = msgspec.json.encode(key).decode()[1:-1]
            answer = self._ask("POST", f"/v1/search/resource/{kind}", search.replace("%s", quoted))
            if answer.status_code in (NOT_FOUND, BAD_REQUEST):  # no such type, or it has no such attribute
                continue
            found = msgspec.json.decode(checked(answer).content, type=list[dict[str, object]])
            yield from ((kind, str(one["id"])) for one in found if one.get("ended_at") is None)

    def _make_policies(self) -> None:
        """The archive policies of the file are there; whoever may not make them has an administrator do it."""
        if self._are_policies_there:
            return
        for policy in self._rules.archive_policies:
            answer = self._ask("POST", "/v1/archive_policy", policy)
            if answer.status_code not in (CONFLICT, FORBIDDEN):
                checked(answer)
        self._are_policies_there = True

    def _ask(self, method: str, path: str, body: Mapping[str, object] | str) -> httpx2.Response:
        return self._service.ask(method, path, body.encode() if isinstance(body, str) else encode_json(body))


def _parts(samples: Sequence[Sample]) -> Iterable[list[Sample]]:
    """The samples of so many metrics at a time: new ones take Gnocchi 10 ms each."""
    by_metric: dict[tuple[str, str], list[Sample]] = {}
    for sample in sorted(samples, key=_resource):
        by_metric.setdefault((sample.resource_id, sample.meter), []).append(sample)
    metrics = list(by_metric.values())
    for start in range(0, len(metrics), METRICS_AT_ONCE):
        yield [sample for members in metrics[start : start + METRICS_AT_ONCE] for sample in members]


def _resource(sample: Sample) -> str:
    return sample.resource_id


class _Batch:
    """Samples as Gnocchi takes them, by the ids of their resources."""

    def __init__(self, samples: Sequence[Sample], rule_of: RuleOf) -> None:
        self.measures: dict[str, Object] = {}
        self.resources: dict[str, Object] = {}
        self.attributes: dict[str, dict[str, str]] = {}
        self.rules: dict[str, ResourceRule] = {}
        lists: dict[tuple[str, str], list[Object]] = {}
        for sample in samples:
            rule = rule_of(sample.meter)
            key = _key(sample.resource_id)
            if rule is None:
                continue
            if key not in self.rules or self.rules[key].type == "generic":
                self.rules[key] = rule
            self._describe(key, sample)
            self.attributes.setdefault(key, {}).update(rule.attributes_of(sample))
            values = lists.get((key, sample.meter))
            if values is None:
                values = lists[key, sample.meter] = []
                about = {"archive_policy_name": rule.policy(sample.meter), "unit": sample.unit[:31]}
                self.measures.setdefault(key, {})[sample.meter] = {**about, "measures": values}
            values.append({"timestamp": sample.timestamp.isoformat(), "value": sample.volume})

    def _describe(self, key: str, sample: Sample) -> None:
        known, moment = self.resources.get(key), sample.timestamp.isoformat()
        if known is None or moment < str(known["started_at"]):
            ids: Object = {"id": key, "project_id": sample.project_id, "user_id": sample.user_id}
            self.resources[key] = {**ids, "started_at": moment}


def _key(resource_id: str) -> str:
    """The id as Gnocchi takes it: without a slash."""
    return resource_id.replace("/", "_")


def _unknown(answer: httpx2.Response) -> list[str]:
    """The resources it does not know, as we named them; empty when that is not what it says."""
    if answer.status_code != BAD_REQUEST:
        return []
    try:
        said = msgspec.json.decode(answer.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    match said:
        case {"description": {"cause": "Unknown resources", "detail": list(detail)}}:
            return [str(one["original_resource_id"]) for one in detail if isinstance(one, dict)]
    return []


def _stored(answer: httpx2.Response) -> None:
    """Raises unless the measures were taken; what an administrator can mend is no reason to give up."""
    if answer.status_code == BAD_REQUEST and "rchive policy" in answer.text:
        raise PublisherUnavailable(f"make it, or name another by archive_policy=…: {answer.text[:200]}")
    checked(answer)
