"""A resource's records in one layer of tiles, as a statement gives them: rows of its group, and one record of each."""

from typing import NamedTuple

from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles import bundles
from storage.tiles.bundles import NOBODY, Bundle, Records


class Layer(NamedTuple):
    """Rows as `storage.tiles.bundles` takes them, and of each one record; None: there are none."""

    rows: bytes | None
    raw: bytes | None


def opened(layer: Layer, *, are_days: bool) -> Bundle | None:
    """The rows of a layer; None if it has none. Raises DamagedTile."""
    return None if layer.rows is None else bundles.opened(layer.rows, are_days=are_days)


def places_before(bundle: Bundle | None, slot: int) -> set[int]:
    """How many slots before this one have no record in the rows of the meter that have one of it."""
    if bundle is None:
        return set()
    ranks = bundles.ranks_of(bundle, slot)
    return {slot - ranks[number] for number in bundle.meters if ranks[number] != NOBODY}


def records_in(layer: Layer, bundle: Bundle | None, slot: int, gap: int | None = None) -> Records | None:
    """The slot's records in a layer; None if it has none of the meter. Raises DamagedTile.

    `gap` is how many slots before it were thought to have none: what stands there was taken from each row.
    """
    raw = layer.raw or b""
    if bundle is not None and NOBODY in (ranks := bundles.ranks_of(bundle, slot)):
        bundle, raw = _of_some(bundle, ranks, slot - (gap or 0), raw)
    return bundles.read(bundle, slot, raw) if bundle is not None and bundle.meters else None


def _of_some(bundle: Bundle, ranks: list[int], guess: int, raw: bytes) -> tuple[Bundle | None, bytes]:
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
