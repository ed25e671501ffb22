"""Which ids were given twice, and which boxes are drawn twice: of all annotations, whichever part they were read in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.validate_annotations.spill import Records
from tasks.validate_annotations.texts import shared

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Boxes = dict[str, NDArray[Any]]  # columns: records one after the other are slower to go through
Pairs = tuple[Ints, Ints]  # rows, and for each the earlier row that it repeats
BOX = [("row", "i8"), ("image", "i4"), ("kind", "i4"), ("x", "f8"), ("y", "f8"), ("width", "f8"), ("height", "f8"),
       ("annotator", "i4"), ("job", "i4")]  # fmt: skip
ID = [("row", "i8"), ("image", "i4"), ("delivery", "i4"), ("hash", "u8"), ("other_hash", "u8")]
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, and without a pattern
SIDES = ("x", "y", "width", "height")
FAR = 2.0**20  # px: no image is so wide. Farther boxes are sorted right, too, but slowly


def repeated_ids(records: Records) -> Pairs:
    """The first row of an id stands. Ids are compared by 128 bits (`identities`), within their delivery."""
    delivery = records["delivery"].astype(np.uint64) << np.uint64(32)
    mixed = records["hash"] ^ ((records["other_hash"] + delivery) * MIX)
    records = records[shared(mixed)]  # nearly all ids are given once
    records = records[np.lexsort((records["row"], records["other_hash"], records["hash"], records["delivery"]))]
    starts = _starts(records, ("delivery", "hash", "other_hash"))
    first = records["row"][np.maximum.accumulate(np.where(starts, np.arange(len(records)), 0))]
    return records["row"][~starts], first[~starts]


def repeated_boxes(records: Records, max_iou: float) -> Pairs:
    """Boxes of one image and kind (class and crowd flag) that overlap by more than `max_iou` with an earlier one that is kept.

    In order: only boxes that are kept count, so of a chain in which each overlaps its neighbour, every second stays. Of several
    kept ones the one that overlaps most is named, the first of equals.
    """
    boxes = {name: np.ascontiguousarray(records[name]) for name in ("row", *SIDES)}
    kinds = int(records["kind"].max(initial=0)) + 1
    boxes["group"] = records["image"].astype(np.int64) * kinds + records["kind"]
    boxes = _at(boxes, _order(boxes))
    alone = _starts(boxes, ("group", *SIDES))
    firsts = boxes["row"][np.maximum.accumulate(np.where(alone, np.arange(len(alone)), 0))][~alone]
    copies = boxes["row"][~alone]
    rows, of = _in_order(*_overlapping(_at(boxes, alone), max_iou))
    # a copy of a box that itself repeats another repeats that one
    at = np.searchsorted(rows, firsts)
    is_again = at < len(rows)
    is_again[is_again] = rows[at[is_again]] == firsts[is_again]
    firsts[is_again] = of[at[is_again]]
    return np.concatenate([rows, copies]), np.concatenate([of, firsts])


def _at(boxes: Boxes, places: NDArray[Any]) -> Boxes:
    """Some of them, by positions or by flags."""
    return {name: values[places] for name, values in boxes.items()}


def _order(boxes: Boxes) -> NDArray[np.intp]:
    """By group, then left edge; copies of a box lie together, in the order of their rows."""
    group, left = boxes["group"], boxes["x"]
    # both in one number, as exact as it can be: to sort by it is several times as fast
    near = group * FAR + left.clip(-FAR / 2, FAR / 2 - 1)
    order = np.argsort(near)
    # few have the same, and only those need to be sorted by all their sides
    same = np.diff(near[order]) == 0
    ties = np.flatnonzero(np.append(same, False)[: len(order)] | np.append(False, same)[: len(order)])
    rows = order[ties]
    rest = np.zeros(len(ties), np.uint64)
    for side in SIDES[1:]:
        rest = (rest ^ boxes[side][rows].view(np.uint64)) * MIX
    order[ties] = rows[np.lexsort((boxes["row"][rows], rest, left[rows], group[rows]))]
    return order


def _starts(sorted_rows: Boxes | Records, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Where a new combination of these columns begins."""
    starts = np.ones(len(sorted_rows[names[0]]), np.bool_)
    starts[1:] = False
    for name in names:
        starts[1:] |= sorted_rows[name][1:] != sorted_rows[name][:-1]
    return starts


def _overlapping(boxes: Boxes, max_iou: float) -> tuple[Ints, Ints, Floats]:
    """Rows of pairs above `max_iou`, the earlier first, and their IoU. `boxes` sorted by group and left edge.

    Neighbours are compared, then next but one, and so on, while the left edges are near enough: boxes that overlap by more than
    a share t start less than (1 - t) of the width apart.
    """
    found = list(_at_distances(boxes, max_iou))
    one = np.concatenate([pair[0] for pair in found]) if found else np.empty(0, np.intp)
    other = np.concatenate([pair[1] for pair in found]) if found else np.empty(0, np.intp)
    iou = _iou(_at(boxes, one), _at(boxes, other))
    one, other, iou = one[iou > max_iou], other[iou > max_iou], iou[iou > max_iou]
    rows = boxes["row"]
    return np.minimum(rows[one], rows[other]), np.maximum(rows[one], rows[other]), iou


def _at_distances(boxes: Boxes, max_iou: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    group, left = boxes["group"], boxes["x"]
    reach = left + (1 - max_iou) * boxes["width"] * (1 + 1e-9)
    here, distance = np.arange(len(left)), 0
    while len(here):
        distance += 1
        here = here[here + distance < len(left)]
        there = here + distance
        here = here[(group[here] == group[there]) & (left[there] <= reach[here])]
        yield here, here + distance


def _iou(one: Boxes, other: Boxes) -> Floats:
    """Intersection over union, pair by pair."""
    overlap = np.ones(len(one["x"]))
    for start, side in (("x", "width"), ("y", "height")):
        end = np.minimum(one[start] + one[side], other[start] + other[side])
        overlap *= np.clip(end - np.maximum(one[start], other[start]), 0, None)
    union = one["width"] * one["height"] + other["width"] * other["height"] - overlap
    return np.asarray(overlap / union)


def _in_order(earlier: Ints, later: Ints, iou: Floats) -> Pairs:
    """Who repeats whom, sorted by row, decided in rounds: a box is judged when all the earlier ones it overlaps have been."""
    rows = np.unique(np.concatenate([earlier, later]))
    a, b = np.searchsorted(rows, earlier), np.searchsorted(rows, later)
    is_kept, is_judged = np.ones(len(rows), np.bool_), np.ones(len(rows), np.bool_)
    is_judged[b] = False
    left = np.arange(len(a))
    while len(left):
        waits = np.zeros(len(rows), np.bool_)
        waits[b[left[~is_judged[a[left]]]]] = True
        now = left[~waits[b[left]]]
        is_kept[b[now[is_kept[a[now]]]]] = False
        is_judged[b[now]] = True
        left = left[waits[b[left]]]
    counts = np.flatnonzero(is_kept[a])
    counts = counts[np.lexsort((a[counts], -iou[counts], b[counts]))]
    repeats, first = np.unique(b[counts], return_index=True)
    return rows[repeats], rows[a[counts[first]]]
