"""Which boxes of the same image overlap, and how much, in whole columns at a time. Boxes are (N, 4): x y width height px."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PAIRS_AT_ONCE = 2_000_000  # 200 MB of temporary columns
Ints = NDArray[Any]
Floats = NDArray[np.float64]


def overlapping(
    image: Ints, box: Floats, other_image: Ints, other_box: Floats, min_iou: float
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """All pairs (position among the ones, among the others, IoU) of boxes of one image with an IoU of at least `min_iou`."""
    order = np.argsort(other_image, kind="stable")
    starts = np.searchsorted(other_image[order], image, "left")
    counts = np.searchsorted(other_image[order], image, "right") - starts
    blocks = (
        np.searchsorted(np.cumsum(counts), np.arange(PAIRS_AT_ONCE, counts.sum() + PAIRS_AT_ONCE, PAIRS_AT_ONCE), "right") + 1
    )
    found = []
    begin = 0
    for end in np.unique(np.minimum(blocks, len(counts))):
        some = counts[begin:end]
        one = np.repeat(np.arange(begin, end), some)
        offset = np.arange(len(one)) - np.repeat(np.cumsum(some) - some, some)
        other = order[np.repeat(starts[begin:end], some) + offset]
        value = iou_of(box[one], other_box[other])
        close = value >= min_iou
        found.append((one[close], other[close], value[close]))
        begin = int(end)
    if not found:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    ones, others, values = (np.concatenate(column) for column in zip(*found, strict=True))
    return ones, others, values


def one_to_one(ones: Ints, others: Ints) -> Ints:
    """Of pairs in order of preference, the positions of those that going through one by one would take: no box twice."""
    chosen: list[Ints] = []
    waiting = np.arange(len(ones))
    while len(waiting):  # a pair that comes first for both its boxes
        _, first_one, of_one = np.unique(ones[waiting], return_index=True, return_inverse=True)
        _, first_other, of_other = np.unique(others[waiting], return_index=True, return_inverse=True)
        at = np.arange(len(waiting))
        taken = (first_one[of_one] == at) & (first_other[of_other] == at)
        chosen.append(waiting[taken])
        is_used = np.isin(ones[waiting], ones[chosen[-1]]) | np.isin(others[waiting], others[chosen[-1]])
        waiting = waiting[~is_used]
    return np.concatenate(chosen) if chosen else waiting


def iou_of(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Row by row. The same box is 1, also where it has no area."""
    edges = [
        np.minimum(one[:, n] + one[:, n + 2], other[:, n] + other[:, n + 2]) - np.maximum(one[:, n], other[:, n]) for n in (0, 1)
    ]
    shared = np.maximum(edges[0], 0) * np.maximum(edges[1], 0)
    union = one[:, 2] * one[:, 3] + other[:, 2] * other[:, 3] - shared
    ratio = np.divide(shared, union, out=np.zeros(len(one)), where=union > 0)
    return np.where((one == other).all(axis=1), 1.0, ratio)
