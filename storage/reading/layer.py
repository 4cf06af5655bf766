"""A resource's records in one layer of tiles, as a statement gives them: rows of its group, and one record of each."""

from collections.abc import Sequence
from typing import NamedTuple

from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles import bundles
from storage.tiles.bundles import NOBODY, Bundle, Records


class Layer(NamedTuple):
    """Rows as `storage.tiles.bundles` takes them, and of each one record; None: there are none."""

    rows: bytes | None
    raw: bytes | None


class OfSlot(NamedTuple):
    """A layer as a slot sees it: `ranks` are its own in each row of the bundle, which is None if there are no rows."""

    layer: Layer
    bundle: Bundle | None
    slot: int
    ranks: Sequence[int]

    def places_before(self) -> set[int]:
        """How many slots before this one have no record in the rows of the meter that have one of it."""
        if self.bundle is None:
            return set()
        ranks, slot = self.ranks, self.slot
        return {slot - ranks[number] for number in self.bundle.meters if ranks[number] != NOBODY}

    def records(self, gap: int | None = None) -> Records | None:
        """The slot's records; None if it has none of the meter. Raises DamagedTile.

        `gap` is how many slots before it were thought to have none: what stands there was taken from each row.
        """
        bundle, ranks, raw = self.bundle, self.ranks, self.layer.raw or b""
        if bundle is not None and NOBODY in ranks:
            bundle, raw = _of_some(bundle, ranks, self.slot - (gap or 0), raw)
            ranks = [] if bundle is None else bundles.ranks_of(bundle, self.slot)
        if bundle is None or not bundle.meters:
            return None
        return bundles.read(bundle, self.slot, ranks, raw)


def of_slot(layer: Layer, slot: int, *, are_days: bool) -> OfSlot:
    """What a layer has of a slot. Raises DamagedTile."""
    if layer.rows is None:
        return OfSlot(layer, None, slot, ())
    bundle = bundles.opened(layer.rows, are_days=are_days)
    return OfSlot(layer, bundle, slot, bundles.ranks_of(bundle, slot))


def _of_some(bundle: Bundle, ranks: Sequence[int], guess: int, raw: bytes) -> tuple[Bundle | None, bytes]:
    """Only the rows that have a record of the slot; those before it was there gave another's, or none."""
    at, rows, parts = 0, [], []
    for one, rank in zip(bundle.rows, ranks, strict=True):
        w = one.row.w
        if rank != NOBODY:
            rows.append(one.row)
            parts.append(raw[at : at + w])
        elif one.row.mid == STAMPS or not 0 <= guess < one.plan.slots:
            continue
        at += w
    if at != len(raw):
        raise DamagedTile("records are missing")
    are_days = bundle.rows[0].tile is None
    return bundles.opened(bundles.packed(rows), are_days=are_days) if rows else None, b"".join(parts)
