"""Which box of one version is which box of another, in whole columns at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.overlaps import Ints, one_to_one, overlapping

MIN_IOU = 0.5


@dataclass(frozen=True)
class Numbers:
    """N boxes as numbers: `row` in their table, `image` (position of the matched image), `category`, `box` (N, 4) x y width
    height px, `rest` (N, K) of everything else that counts, and a hash of all but `row` and `image`.
    """

    row: Ints
    image: Ints
    category: Ints
    box: NDArray[np.float64]
    rest: Ints
    hash: NDArray[np.uint64]

    def take(self, at: Ints, keep_rows: bool = False) -> Numbers:
        """Those at these positions; `keep_rows`: `row` has them already."""
        row = self.row if keep_rows else self.row[at]
        return Numbers(row, self.image[at], self.category[at], self.box[at], self.rest[at], self.hash[at])

    def hashed(self, hashes: NDArray[np.uint64]) -> Numbers:
        return replace(self, hash=hashes)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each number well shuffled, so that sums of them are as good as random (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def row_hashes(boxes: Numbers) -> NDArray[np.uint64]:
    """64 bits per box: equal boxes have equal ones; that two others have is a chance of 1 in 10¹⁹."""
    total = np.zeros(len(boxes.image), np.uint64)
    for column in (boxes.category, *boxes.box.T, *boxes.rest.T):
        bits = (
            np.ascontiguousarray(column).view(np.uint64)
            if column.dtype == np.float64
            else column.astype(np.int64).view(np.uint64)
        )
        total = mixed(total + bits + np.uint64(0x9E3779B97F4A7C15))
    return total


def unlike_images(old: Numbers, new: Numbers, images: int) -> NDArray[np.bool_]:
    """For each matched image: has it other boxes now? By their number and the sum of their hashes, which knows no order."""
    sums = [sums_by_image(side, images) for side in (old, new)]
    sizes = [np.bincount(side.image, minlength=images) for side in (old, new)]
    return np.asarray((sums[0] != sums[1]) | (sizes[0] != sizes[1]))


def sums_by_image(side: Numbers, images: int) -> NDArray[np.uint64]:
    totals = np.zeros(images, np.uint64)
    if len(side.image):
        order = np.argsort(side.image, kind="stable")
        present, first = np.unique(side.image[order], return_index=True)
        totals[present] = np.add.reduceat(mixed(side.hash[order]), first)
    return totals


def equal_pairs(old: Numbers, new: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which boxes of each side have an equal on the other; the n-th of several equals is the n-th there."""
    keys = [numbered(side) for side in (old, new)]
    shared = np.intersect1d(keys[0], keys[1])
    return np.isin(keys[0], shared), np.isin(keys[1], shared)


def numbered(side: Numbers) -> Any:
    """Image, hash and, among equals, a number from 0, as one comparable value per box."""
    order = np.lexsort((side.hash, side.image))
    image, hashes = side.image[order], side.hash[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (image[1:] != image[:-1]) | (hashes[1:] != hashes[:-1])
    at = np.arange(len(order))
    number = np.empty(len(order), np.uint64)
    number[order] = at - np.maximum.accumulate(np.where(is_first, at, 0))
    return mixed(mixed(side.hash + side.image.astype(np.uint64)) + number)


def best_pairs(old: Numbers, new: Numbers) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Positions of pairs and their IoU: one to one, highest IoU first; of equals the same class, then by the boxes' values."""
    ones, others, iou = overlapping(old.image, old.box, new.image, new.box, MIN_IOU)
    is_other_class = old.category[ones] != new.category[others]
    order = np.lexsort((new.hash[others], old.hash[ones], is_other_class, -iou))
    ones, others, iou = ones[order], others[order], iou[order]
    pairs = one_to_one(ones, others)
    return ones[pairs], others[pairs], iou[pairs]
