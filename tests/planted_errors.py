"""Labels with errors that are known, and what a made-up detector sees in the pictures: both follow from a seed.

The detector finds 967 of 1,000 objects surely and 30 unsurely, at about IoU 0.8, rarely as another class, some twice; and about
three things a picture that are not there, most of them unsurely. People's boxes are good, about IoU 0.9 with the object, but for
the errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from include.overlaps import Floats, Ints, overlapping
from tasks.find_label_errors.boxes import Boxes

CELL_PX, ACROSS, DOWN, CLASSES = 80, 8, 6, 3
SHARE = 0.01  # of the boxes, of each kind of error
KINDS = ("missing", "spurious", "swapped", "misplaced")


@dataclass(frozen=True)
class Planted:
    """`kind` (given,): position in KINDS of the planted error, -1: none. `removed`: the boxes that are missing."""

    given: Boxes
    seen: Boxes
    kind: Ints
    removed: Boxes

    def is_error(self, kind: str, given: Ints, seen: Ints) -> Any:
        """(N,): which of N suspects of a kind, by their positions, are what was planted."""
        if kind != "missing":
            return self.kind[given] == KINDS.index(kind)
        ones, others, _ = overlapping(self.seen.image, self.seen.box, self.removed.image, self.removed.box, 0.5)
        same = self.seen.label[ones] == self.removed.label[others]
        return np.isin(seen, ones[same])


def plant(images: int, per_image: int = 20, seed: int = 0) -> Planted:
    """`images` × `per_image` objects, before some are removed and others added."""
    chance = np.random.default_rng(seed)
    cells = np.argsort(chance.random((images, ACROSS * DOWN)), axis=1)
    truth = _objects(chance, np.repeat(np.arange(images), per_image), cells[:, :per_image].ravel())
    draw = chance.permutation(len(truth))
    number = round(SHARE * len(truth))
    gone, swapped, moved = draw[:number], draw[number : 2 * number], draw[2 * number : 3 * number]
    given = _jittered(chance, truth, 0.03)
    given.label[swapped] = (given.label[swapped] + chance.integers(1, CLASSES, number)) % CLASSES
    away = chance.uniform(0.35, 0.7, (number, 2)) * chance.choice([-1, 1], (number, 2))
    given.box[moved, :2] += given.box[moved, 2:] * away * np.eye(2)[chance.integers(0, 2, number)]
    kind = np.full(len(truth), -1)
    kind[swapped], kind[moved] = KINDS.index("swapped"), KINDS.index("misplaced")
    added = _objects(chance, chance.permutation(images)[:number], cells[:, per_image][:number])
    keep = np.setdiff1d(np.arange(len(truth)), gone)
    kinds = np.append(kind[keep], np.full(len(added), KINDS.index("spurious")))
    return Planted(_joined(given.where(keep), added), _detected(chance, truth, images), kinds, truth.where(gone))


def _objects(chance: Any, image: Ints, cell: Ints) -> Boxes:
    """One in each cell, 30 to 90 px, its middle near the cell's."""
    size = chance.uniform(30, 90, (len(image), 2))
    middle = np.column_stack([cell % ACROSS, cell // ACROSS]) * CELL_PX + CELL_PX / 2 + chance.uniform(-10, 10, (len(image), 2))
    return Boxes.of(image, chance.integers(0, CLASSES, len(image)), np.hstack([middle - size / 2, size]))


def _jittered(chance: Any, boxes: Boxes, share: float) -> Boxes:
    """Every edge moved by about `share` of the box's side."""
    edges = chance.normal(0, share, (len(boxes), 4)) * np.tile(boxes.box[:, 2:], 2)
    low, high = boxes.box[:, :2] + edges[:, :2], boxes.box[:, :2] + boxes.box[:, 2:] + edges[:, 2:]
    return Boxes.of(boxes.image, boxes.label.copy(), np.hstack([low, np.maximum(high - low, 1)]), boxes.score, boxes.crowd)


def _scored(boxes: Boxes, score: Floats) -> Boxes:
    return Boxes(boxes.image, boxes.label, boxes.box, score, boxes.crowd)


def _joined(*parts: Boxes) -> Boxes:
    return Boxes(*(np.concatenate(column) for column in zip(*(vars(one).values() for one in parts), strict=True)))


def _detected(chance: Any, truth: Boxes, images: int) -> Boxes:
    found = _jittered(chance, truth.where(chance.random(len(truth)) < 0.997), 0.06)
    surely = chance.random(len(found)) < 0.97
    found = _scored(found, np.where(surely, chance.beta(8, 2, len(found)), chance.beta(1.5, 6, len(found))))
    wrong = chance.random(len(found)) < 0.02
    found.label[wrong] = (found.label[wrong] + 1) % CLASSES
    found.score[wrong] *= chance.uniform(0.3, 0.8, int(wrong.sum()))
    twice = _jittered(chance, found.where(chance.random(len(found)) < 0.2), 0.15)
    false = chance.poisson(3, images)
    nothing = _objects(chance, np.repeat(np.arange(images), false), chance.integers(0, ACROSS * DOWN, false.sum()))
    return _joined(found, _scored(twice, chance.beta(1, 8, len(twice))), _scored(nothing, chance.beta(1.2, 5, len(nothing))))
