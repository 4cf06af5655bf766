"""Which versions hold what questions name; a version never changes, so that is remembered."""

from collections.abc import Iterable, Mapping
from typing import Final

from storage.names import Names, Version
from storage.query import MetadataMatch, SampleQuery
from storage.sample import flatten

QUESTIONS_KEPT: Final = 64
VERSIONS_KEPT: Final = 50_000  # of a question
DEEPEST: Final = 32  # levels that metadata has at most

Asked = tuple[str | None, str | None, tuple[tuple[MetadataMatch, type], ...]]


class Matching:
    """Answers for versions whose names were learned."""

    def __init__(self) -> None:
        self._known: dict[Asked, dict[int, bool]] = {}

    def of(self, query: SampleQuery, names: Names, vers: Iterable[int]) -> dict[int, bool]:
        """Whether each of these versions holds the user, source and metadata of the question.

        Raises KeyError for a version nobody has learned.
        """
        asked = around(query)
        known = self._known.get(asked)
        if known is None or len(known) > VERSIONS_KEPT:
            if len(self._known) >= QUESTIONS_KEPT:
                self._known = {}
            known = self._known[asked] = {}
        for ver in vers:
            if ver not in known:
                known[ver] = matches(query, names.version(ver))
        return known


def around(query: SampleQuery) -> Asked:
    """What a question says of users, sources and metadata; the same for those that want the same."""
    metadata = tuple((match, type(match.value)) for match in query.metadata)  # 1, 1.0 and True are equal
    return query.user_id, query.source, metadata


def matches(query: SampleQuery, around: Version) -> bool:
    """Whether the user, source and metadata a question names are these."""
    return (
        query.user_id in (None, around.user_id)
        and query.source in (None, around.source)
        and all(holds(match, around.metadata) for match in query.metadata)
    )


def holds(match: MetadataMatch, metadata: Mapping[str, object]) -> bool:
    """Whether metadata satisfies a match: by its nested value and type, or by its text as the API shows it."""
    value: object = metadata
    for step in match.key.split(".", DEEPEST):  # a key of thousands of steps costs no more than others
        if not isinstance(value, Mapping):
            value = None
            break
        value = value.get(step)
    if value is not None and type(value) is type(match.value) and value == match.value:
        return True
    return flatten(metadata).get(match.key) == match.text
