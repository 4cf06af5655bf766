"""What to look for in the notifications of one event type, settled once for all of them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from collector.event_definitions import TraitRule
from collector.expressions import Expression, Path, Step, unwrapped
from collector.traits import CONVERSIONS
from storage.event import Kinds, Traits, TraitType, TraitValue, kinds_of

REMEMBERED = 10_000  # which traits were there, of all types together

Find = Callable[[object], object]
Convert = Callable[[object], TraitValue | None]
# What finds an object, and of each trait in it: its key there, what finds it however it is kept, what it becomes.
Pick = Callable[[Sequence[TraitValue | None]], tuple[TraitValue, ...]]
Group = tuple[Find, Sequence[tuple[str, Find, Convert]]]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to look for in notifications of one type: the first of `projects` and `users`, and every trait.

    `is_named`: whether a rule names the type, and not just all types. `traits` begin with those of each of `groups` in
    turn, which are found together; `others` are found one by one.
    """

    projects: Sequence[Expression]
    users: Sequence[Expression]
    traits: Sequence[TraitRule]
    is_named: bool
    groups: Sequence[Group]
    others: Sequence[tuple[Find, Convert]]

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
        known = [(rule, _place(rule.value)) for rule in traits]
        ways = Counter(place[0] for _, place in known if place)
        together: dict[tuple[Step, ...], list[tuple[str, TraitRule]]] = defaultdict(list)
        alone: list[TraitRule] = []
        for rule, place in known:
            if place and ways[place[0]] > 1:
                together[place[0]].append((place[1], rule))
            else:
                alone.append(rule)
        return cls(
            projects,
            users,
            [*(rule for some in together.values() for _, rule in some), *alone],
            is_named,
            [(_finding(way), [_column(*one) for one in some]) for way, some in together.items()],
            [(rule.value.value, CONVERSIONS[rule.type]) for rule in alone],
        )

    def found(self, document: Mapping[str, object], project_id: str | None, user_id: str | None) -> Traits:
        """Every trait that is there, sorted by name."""
        values = self._values(document)
        values += (user_id, project_id, project_id)  # as `_DEFAULTS`
        kinds, picked = _layout(self, tuple([value is None for value in values]))
        return Traits(kinds, picked(values))

    def _values(self, document: Mapping[str, object]) -> list[TraitValue | None]:
        """A value or None for each of `traits`."""
        values: list[TraitValue | None] = []
        for find, columns in self.groups:
            holder = find(document)
            held = unwrapped(holder)
            if type(holder) is not dict or type(held) is not dict:
                found = [(value(document), convert) for _, value, convert in columns]
                values += [None if one is None else convert(one) for one, convert in found]
                continue
            outer, inner = holder.get, None if held is holder else held.get
            for key, _, convert in columns:
                one = outer(key)
                if one is None and inner is not None:
                    one = inner(key)
                values.append(None if one is None or one == "" else convert(one))
        for value, convert in self.others:
            one = value(document)
            values.append(None if one is None else convert(one))
        return values


# What traits say where no rule gives one of that name.
_DEFAULTS: Sequence[tuple[str, TraitType]] = (
    ("user_id", "text"),
    ("project_id", "text"),
    ("tenant_id", "text"),
)


@lru_cache(REMEMBERED)
def _layout(plan: Plan, absent: tuple[bool, ...]) -> tuple[Kinds, Pick]:
    """The kinds of traits that are there, and what picks their values: the first of each name counts."""
    candidates = [*((rule.name, rule.type) for rule in plan.traits), *_DEFAULTS]
    places: dict[str, int] = {}
    for place, ((name, _), is_absent) in enumerate(zip(candidates, absent, strict=True)):
        if not is_absent:
            places.setdefault(name, place)
    ordered = [places[name] for name in sorted(places)]
    return kinds_of(tuple(candidates[place] for place in ordered)), _picking(ordered)


def _picking(places: Sequence[int]) -> Pick:
    """What makes a tuple of the values at these places, none of which is None."""
    if len(places) < 2:  # itemgetter makes none of one
        return lambda values: tuple([value for place in places if (value := values[place]) is not None])
    return itemgetter(*places)


def _place(expression: Expression) -> tuple[tuple[Step, ...], str] | None:
    """The way to an object and the key in it that an expression reads and nothing else; None when it does more."""
    if isinstance(expression, Path) and len(expression.ways) == 1:
        *way, key = expression.ways[0]
        if isinstance(key, str):
            return tuple(way), key
    return None


def _finding(way: tuple[Step, ...]) -> Find:
    return Path((way,)).value if way else lambda document: document


def _column(key: str, rule: TraitRule) -> tuple[str, Find, Convert]:
    return key, rule.value.value, CONVERSIONS[rule.type]
