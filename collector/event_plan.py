"""What to look for in the notifications of one event type, settled once for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from collector.event_definitions import TraitRule
from collector.expressions import Expression, Path, unwrapped
from collector.traits import CONVERSIONS
from storage.event import Kinds, Traits, TraitType, TraitValue, kinds_of

REMEMBERED = 10_000  # which traits were there, of all types together

# Under which key of the payload a trait stands, else what finds it; and what its value becomes.
Column = tuple[str | None, Callable[[object], object], Callable[[object], TraitValue | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to look for in notifications of one type: the first of `projects` and `users`, and every trait.

    `is_named`: whether a rule names the type, and not just all types. `columns`: of each trait in turn.
    """

    projects: Sequence[Expression]
    users: Sequence[Expression]
    traits: Sequence[TraitRule]
    is_named: bool
    columns: Sequence[Column]

    @classmethod
    def of(
        cls,
        projects: Sequence[Expression],
        users: Sequence[Expression],
        traits: Sequence[TraitRule],
        *,
        is_named: bool,
    ) -> "Plan":
        """The plan, with what follows from its rules."""
        columns = [(_key(rule.value), rule.value.value, CONVERSIONS[rule.type]) for rule in traits]
        return cls(projects, users, traits, is_named, columns)

    def found(self, document: Mapping[str, object], project_id: str | None, user_id: str | None) -> Traits:
        """Every trait that is there, sorted by name."""
        values = self._values(document)
        values += (user_id, project_id, project_id)  # as `_DEFAULTS`
        kinds, places = _layout(self, tuple([value is None for value in values]))
        return Traits(kinds, tuple([values[place] for place in places]))  # type: ignore[misc]  # none is None

    def _values(self, document: Mapping[str, object]) -> list[TraitValue | None]:
        payload = document["payload"]
        held = unwrapped(payload)
        if type(payload) is not dict or type(held) is not dict:
            found = [(value(document), convert) for _, value, convert in self.columns]
            return [None if one is None else convert(one) for one, convert in found]
        values: list[TraitValue | None] = []
        first, second = payload.get, held.get
        for key, value, convert in self.columns:
            if key is None:
                one = value(document)
            else:
                one = first(key)
                if one is None:
                    one = second(key)
                if one == "":
                    one = None
            values.append(None if one is None else convert(one))
        return values


# What traits say where no rule gives one of that name.
_DEFAULTS: Sequence[tuple[str, TraitType]] = (
    ("user_id", "text"),
    ("project_id", "text"),
    ("tenant_id", "text"),
)


@lru_cache(REMEMBERED)
def _layout(plan: Plan, absent: tuple[bool, ...]) -> tuple[Kinds, tuple[int, ...]]:
    """The kinds of traits that are there, and the places of their values: the first of each name counts."""
    candidates = [*((rule.name, rule.type) for rule in plan.traits), *_DEFAULTS]
    places: dict[str, int] = {}
    for place, ((name, _), is_absent) in enumerate(zip(candidates, absent, strict=True)):
        if not is_absent:
            places.setdefault(name, place)
    ordered = [places[name] for name in sorted(places)]
    return kinds_of(tuple(candidates[place] for place in ordered)), tuple(ordered)


def _key(expression: Expression) -> str | None:
    """The key of the payload an expression reads and nothing else, None when it does more."""
    if isinstance(expression, Path) and len(expression.ways) == 1 and len(expression.ways[0]) == 2:
        first, second = expression.ways[0]
        if first == "payload" and isinstance(second, str):
            return second
    return None
