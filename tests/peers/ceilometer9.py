"""Ceilometer 9's own API over SQLite, asked in its own environment: run by `record_api`, never by ours.

    .cache/ceilometer9/bin/python tests/peers/ceilometer9.py < questions.json > answers.json

Taken in: `{"history": [samples as its collector wrote them], "requests": [{"who", "method", "path", "body"}]}`; given
out: the status and the text of each answer. It was written for Python 2.7 and 3.5; what is put in its way here is what
newer Pythons and libraries took away, and two functions that MySQL has and SQLite has not. Its answers are as it gives
them.
"""

import collections
import collections.abc
import fnmatch
import inspect
import json
import logging
import re
import statistics
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any  # Any: everything here is of libraries without types

RULES = (
    "get_samples", "get_sample", "query_sample", "create_samples", "compute_statistics", "get_meters", "get_resource",
    "get_resources",
)  # fmt: skip
PEOPLE = {
    "admin": {"X-Roles": "admin", "X-Project-Id": "project-admin", "X-User-Id": "root"},
    "alice": {"X-Roles": "member", "X-Project-Id": "project-a", "X-User-Id": "alice"},
    "bob": {"X-Roles": "member", "X-Project-Id": "project-b", "X-User-Id": "bob"},
}


class _Deviation:
    """MySQL's stddev_pop, which SQLite does not have."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def step(self, value: float | None) -> None:
        if value is not None:
            self._values.append(value)

    def finalize(self) -> float | None:
        return statistics.pstdev(self._values) if self._values else None


def _matches(pattern: str, value: object) -> bool | None:
    return None if value is None else bool(re.search(pattern, str(value)))


def _extend(connection: Any, _: object) -> None:
    connection.create_aggregate("stddev_pop", 1, _Deviation)
    connection.create_function("regexp", 2, _matches)


def _argspec(function: Any) -> Any:
    found = inspect.getfullargspec(function)
    kind = collections.namedtuple("kind", "args varargs keywords defaults")
    return kind(list(found.args), found.varargs, found.varkw, found.defaults)


def _lowercase_keys(mapping: dict[str, object]) -> None:
    for key, value in list(mapping.items()):
        del mapping[key]
        mapping[key.lower()] = value


def _make_old() -> None:
    """What was there when it was written."""
    for name in ("Mapping", "MutableMapping", "Iterable", "Callable", "Sequence"):
        vars(collections)[name] = getattr(collections.abc, name)
    vars(inspect)["getargspec"] = _argspec
    vars(import_module("oslo_utils"))["fnmatch"] = fnmatch
    sys.modules["oslo_utils.fnmatch"] = fnmatch
    vars(import_module("ceilometer.utils"))["lowercase_keys"] = _lowercase_keys


def _settings(folder: Path) -> Any:
    rules = {"context_is_admin": "role:admin", "segregation": "rule:context_is_admin"}
    policy = folder / "policy.json"
    policy.write_text(json.dumps(rules | {f"telemetry:{rule}": "" for rule in RULES}))
    file = folder / "ceilometer.conf"
    file.write_text(
        "[DEFAULT]\ntransport_url=fake://\n[database]\nconnection=sqlite://\n"
        "[api]\ngnocchi_is_enabled=false\naodh_is_enabled=false\npanko_is_enabled=false\n"
        f"[oslo_policy]\npolicy_file={policy}\nenforce_scope=false\nenforce_new_defaults=false\n"
    )
    cfg = import_module("oslo_config.cfg")
    conf = cfg.ConfigOpts()
    for module, name, group in (
        ("ceilometer.api.app", "OPTS", None),
        ("ceilometer.api.app", "API_OPTS", "api"),
        ("ceilometer.api.controllers.v2.root", "API_OPTS", "api"),
        ("ceilometer.storage", "OPTS", "database"),
        ("ceilometer.sample", "OPTS", None),
        ("ceilometer.publisher.utils", "OPTS", "publisher"),
    ):
        conf.register_opts(getattr(import_module(module), name), group=group)
    driver = cfg.StrOpt("telemetry_driver", default="messagingv2")
    conf.register_opts([driver], group="publisher_notifier")
    import_module("oslo_db.options").set_defaults(conf)
    conf(["--config-file", str(file)], project="ceilometer")
    import_module("ceilometer.messaging").setup()
    return conf


def _application(folder: Path) -> tuple[Any, Any]:
    """The WSGI application and the store it asks."""
    conf = _settings(folder)
    sqlalchemy, hooks = import_module("sqlalchemy"), import_module("ceilometer.api.hooks")
    sqlalchemy.event.listen(sqlalchemy.pool.Pool, "connect", _extend)
    store = hooks.DBHook.get_connection(conf)
    hooks.DBHook.get_connection = staticmethod(lambda _: store)
    models = import_module("ceilometer.storage.sqlalchemy.models")
    models.Base.metadata.create_all(store._engine_facade.get_engine())
    return import_module("ceilometer.api.app").setup_app(conf=conf), store


def main() -> None:
    logging.disable(logging.CRITICAL)
    asked = json.load(sys.stdin)
    _make_old()
    with tempfile.TemporaryDirectory() as folder:  # read again with every request
        json.dump(_answers(asked, *_application(Path(folder))), sys.stdout)


def _answers(asked: Any, app: Any, store: Any) -> list[dict[str, object]]:
    parse = import_module("oslo_utils.timeutils").parse_strtime
    for sample in asked["history"]:
        when = parse(sample["timestamp"], "%Y-%m-%dT%H:%M:%S.%f")
        store.record_metering_data({**sample, "timestamp": when, "message_signature": ""})
    blank = import_module("webob").Request.blank
    answers = []
    for one in asked["requests"]:
        request = blank(one["path"], method=one["method"], headers=PEOPLE[one["who"]])
        if one["body"] is not None:
            request.body, request.content_type = json.dumps(one["body"]).encode(), "application/json"
        answer = request.get_response(app)
        answers.append({"status": answer.status_int, "text": answer.text})
    return answers


if __name__ == "__main__":
    main()
