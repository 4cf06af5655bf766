"""Values found side by side are those that each expression finds by itself."""

import random

from collector.expressions import Constant, Expression, Joined, Path, read_path
from collector.finding import Finder
from collector.lifecycle_definitions import load_life_rules

KEYS = ("a", "b", "c", "nova_object.data", "x_object.data", "d", "e", "f")
VALUES: tuple[object, ...] = (None, "", 0, False, 1.5, "text", [], [1, {"a": 2}], {})


def document(dice: random.Random, depth: int) -> dict[str, object]:
    keys = dice.sample(KEYS, dice.randrange(len(KEYS) + 1))
    return {
        key: document(dice, depth - 1) if depth and dice.random() < 0.6 else dice.choice(VALUES)
        for key in keys
    }


def path(dice: random.Random) -> Path:
    steps = ("a", "b", "c", '"nova_object.data"', "0", "*", "b[a=2]")
    ways = [".".join(dice.choices(steps, (9, 9, 9, 3, 1, 1, 1), k=dice.randint(1, 4))) for _ in range(3)]
    return read_path(" | ".join(ways[: dice.randint(1, 3)]))


def test_what_is_found_together_is_what_is_found_one_by_one() -> None:
    dice = random.Random(11)

    for _ in range(300):
        paths = [path(dice) for _ in range(dice.randint(2, 9))]
        asked: list[Expression | None] = [
            *paths,
            None,
            Constant(3),
            Constant(""),
            Joined((paths[0], paths[1]), "-"),
            paths[0],
        ]
        dice.shuffle(asked)
        together = Finder(asked)
        for _ in range(20):
            found = document(dice, 4)
            assert together.find(found) == [one.value(found) if one else None for one in asked]


def test_rules_as_they_are_packaged_find_the_same_together() -> None:
    dice = random.Random(12)
    holders = ("payload", "item", "metadata")
    for rule in load_life_rules():
        asked = [rule.resource, rule.project, rule.type, rule.at, *rule.attributes.values()]
        keys = {str(step) for one in asked if isinstance(one, Path) for way in one.ways for step in way}
        for _ in range(20):
            inner = {key: dice.choice(VALUES) for key in sorted(keys)}
            some = {key: dice.choice((inner, {"nova_object.data": inner})) for key in holders}
            assert Finder(asked).find(some) == [one.value(some) if one else None for one in asked]
