"""Boxes of many images in columns: those that people gave, and those that a model saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.overlaps import Floats, Ints, overlapping

MIN_IOU = 0.1  # boxes that overlap less have nothing to do with each other
SAME_PLACE_IOU = 0.5  # as in AP50: the same object


@dataclass(frozen=True)
class Boxes:
    """N boxes. `image` (N,): position of the image; `label` (N,): of the class, -1: of none that the model knows; `box` (N, 4):
    x y width height px; `score` (N,): the model's, 1 of a given box; `crowd` (N,): stands for many objects.
    """

    image: Ints
    label: Ints
    box: Floats
    score: Floats
    crowd: NDArray[np.bool_]

    @classmethod
    def of(cls, image: Any, label: Any, box: Any, score: Any = None, crowd: Any = None) -> Boxes:
        """From anything that numpy takes; `score` is 1 and `crowd` False where they are not said."""
        images = np.asarray(image, np.int64)
        return cls(
            images,
            np.asarray(label, np.int64),
            np.asarray(box, np.float64).reshape(-1, 4),
            np.ones(len(images)) if score is None else np.asarray(score, np.float64),
            np.zeros(len(images), bool) if crowd is None else np.asarray(crowd, bool),
        )

    def __len__(self) -> int:
        return len(self.image)

    def where(self, chosen: Any) -> Boxes:
        """Those that a mask or positions choose, in that order."""
        return Boxes(self.image[chosen], self.label[chosen], self.box[chosen], self.score[chosen], self.crowd[chosen])


@dataclass(frozen=True)
class Pairs:
    """P overlapping boxes of one image: positions among the given and among the seen, and their IoU, each (P,)."""

    given: Ints
    seen: Ints
    iou: Floats

    @classmethod
    def of(cls, given: Boxes, seen: Boxes) -> Pairs:
        return cls(*overlapping(given.image, given.box, seen.image, seen.box, MIN_IOU))

    def where(self, chosen: Any) -> Pairs:
        return Pairs(self.given[chosen], self.seen[chosen], self.iou[chosen])


def highest(values: Floats, at: Ints, count: int) -> Floats:
    """(count,): the highest of the `values` that are `at` each position, 0 where there is none."""
    found = np.zeros(count)
    np.maximum.at(found, at, values)
    return found


def inside(one: Boxes, other: Boxes) -> Floats:
    """(len(one),): the largest share of each box's area that lies in one box of `other`."""
    ones, others, _ = overlapping(one.image, one.box, other.image, other.box, 0.0)
    a, b = one.box[ones], other.box[others]
    edges = [np.minimum(a[:, n] + a[:, n + 2], b[:, n] + b[:, n + 2]) - np.maximum(a[:, n], b[:, n]) for n in (0, 1)]
    shared = np.maximum(edges[0], 0) * np.maximum(edges[1], 0)
    return highest(shared / np.maximum(a[:, 2] * a[:, 3], 1e-9), ones, len(one))
