"""Stand-ins for Gnocchi and Zaqar that answer, and refuse, as their API references say."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from storage.sample import Sample
from tests.collector.publishers.metric_receivers import point
from tests.collector.publishers.receivers import Ids, Web, ids_of
from tests.web import Reply, Request

Object = dict[str, Any]  # Any: JSON


class GnocchiReceiver(Web):
    """Knows only the type `generic` and the policies it is given; words and codes are those of Gnocchi 4.7.1."""

    def __init__(self, options: str = "") -> None:
        super().__init__(self._answer)
        self.url = f"gnocchi://admin:s3cret@127.0.0.1:{self.port}{options}"
        self.policies: dict[str, Object] = {}
        self.types: dict[str, set[str]] = {"generic": set()}
        self.resources: dict[str, Object] = {}
        self.measures: dict[tuple[str, str, str], float] = {}
        self.policy_of: dict[tuple[str, str], str] = {}

    def ids(self) -> Ids:
        return {
            point(metric, resource_id, datetime.fromisoformat(at).timestamp())
            for resource_id, metric, at in self.measures
        }

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return {point(one.meter, one.resource_id, one.timestamp.timestamp()) for one in samples}

    def _answer(self, request: Request) -> Reply:
        path, method = unquote(request.path.partition("?")[0]), request.method
        body: Any = json.loads(request.body)
        if "authorization" not in request.headers:
            return _fault(401, "Unauthorized")
        if (method, path) == ("POST", "/v1/batch/resources/metrics/measures"):
            return self._batch(body)
        if (method, path) == ("POST", "/v1/archive_policy"):
            return self._make(self.policies, body["name"], body)
        if (method, path) == ("POST", "/v1/resource_type"):
            is_there = body["name"] in self.types
            self.types.setdefault(body["name"], set(body["attributes"]))
            return _fault(409, "Resource type already exists") if is_there else _json(201, body)
        if found := re.fullmatch(r"/v1/resource/([a-z_]+)", path):
            return self._create(found[1], body)
        if found := re.fullmatch(r"/v1/resource/([a-z_]+)/([^/]+)", path):
            return self._patch(found[1], found[2], body)
        if found := re.fullmatch(r"/v1/search/resource/([a-z_]+)", path):
            return self._search(found[1], body)
        return _fault(404, "The resource could not be found.")

    def _batch(self, body: Object) -> Reply:
        unknown = [
            {"resource_id": "uuid", "original_resource_id": one} for one in body if one not in self.resources
        ]
        if unknown:
            return _fault(400, {"cause": "Unknown resources", "detail": unknown})
        for resource_id, metrics in body.items():
            for name, metric in metrics.items():
                policy = metric["archive_policy_name"]
                if policy not in self.policies:
                    return _fault(400, f"Archive policy {policy} does not exist")
                self.policy_of[resource_id, name] = policy
                for measure in metric["measures"]:
                    self.measures[resource_id, name, measure["timestamp"]] = measure["value"]
        return Reply(202)

    def _make(self, known: dict[str, Object], name: str, body: Object) -> Reply:
        if name in known:
            return _fault(409, f"Archive policy {name} already exists")
        known[name] = body
        return _json(201, body)

    def _create(self, kind: str, body: Object) -> Reply:
        if kind not in self.types:
            return _fault(404, f"Resource type {kind} does not exist")
        if "/" in body["id"]:
            return _fault(400, "Invalid input: '/' is not supported in resource id")
        if set(body) - self.types[kind] - {"id", "project_id", "user_id", "started_at"}:
            return _fault(400, "Invalid input: extra keys not allowed")
        if body["id"] in self.resources:
            return _fault(409, "Resource already exists")
        self.resources[body["id"]] = {"type": kind, "ended_at": None, **body}
        return _json(201, body)

    def _patch(self, kind: str, resource_id: str, body: Object) -> Reply:
        resource = self.resources.get(resource_id)
        if resource is None or kind not in ("generic", resource["type"]):
            return _fault(404, f"Resource {resource_id} does not exist")
        if "ended_at" in body and body["ended_at"] < resource["started_at"]:
            return _fault(400, f"Value {body['ended_at']} for attribute ended_at is invalid")
        resource.update(body)
        return _json(200, resource)

    def _search(self, kind: str, body: Object) -> Reply:
        if kind not in self.types:
            return _fault(404, f"Resource type {kind} does not exist")
        ((name, value),) = body["="].items()
        found = [one for one in self.resources.values() if one["type"] == kind and one.get(name) == value]
        return _json(200, found)


class ZaqarReceiver(Web):
    """Takes messages into any queue, and no more at once than Zaqar does."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.url = f"zaqar://127.0.0.1:{self.port}?queue=usage&ttl=600&project=p1"

    def messages(self) -> list[Object]:
        return [message for request in self.requests for message in json.loads(request.body)["messages"]]

    def ids(self) -> Ids:
        return {
            str(message["body"].get("id") or message["body"]["message_id"]) for message in self.messages()
        }

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return ids_of(samples)

    def _answer(self, request: Request) -> Reply:
        messages = json.loads(request.body)["messages"]
        if (request.method, request.path) != ("POST", "/v2/queues/usage/messages"):
            return Reply(404)
        if not request.headers.get("client-id") or request.headers.get("x-project-id") != "p1":
            return _fault(400, "The header X-PROJECT-ID or CLIENT-ID was missing")
        if not 1 <= len(messages) <= 20 or len(request.body) > 262_144:
            return _fault(400, "Message collection size is too large.")
        return _json(201, {"resources": []})


def _json(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})


def _fault(status: int, description: object) -> Reply:
    return _json(status, {"code": status, "title": "", "description": description})
