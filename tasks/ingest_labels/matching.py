"""Which boxes of different people are the same object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.ingest_labels.answers import Bools, Drawn, Floats, Ints

MOST_AT_ONCE = 1_000_000  # overlaps that are worked out in one go: 8 MB an array, however crowded the picture


@dataclass(frozen=True)
class Matches:
    """Boxes `first` and `second` (M,) of two people, the first's name being the smaller, with their overlap.

    `thing` (N,): number of the object that a box shows; of one object each person has at most one box.
    """

    first: Ints
    second: Ints
    iou: Floats
    thing: Ints


def iou(boxes: Floats, others: Floats) -> Floats:
    """Intersection over union, (N, M), of boxes (N, 4) and (M, 4) given as x, y, width, height with positive area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    either = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None, :] - both
    return np.asarray(both / either)


def match(drawn: Drawn, min_iou: float) -> Matches:
    """Per picture and two people the assignment with the most objects of one class, then the most overlap (Hungarian method)."""
    if not len(drawn):
        nobody = np.zeros(0, np.int64)
        return Matches(nobody, nobody, np.zeros(0), nobody)
    first, second, overlap = _overlapping(drawn, min_iou)
    edges = coo_array((np.ones(len(first)), (first, second)), shape=(len(drawn), len(drawn)))
    clump = connected_components(edges, directed=False)[1].astype(np.int64)
    # most clumps have one box a person: nothing is to be decided there
    whose, boxes = np.unique(clump * len(drawn.people) + drawn.person, return_counts=True)
    is_crowded = np.zeros(len(drawn), np.bool_)
    is_crowded[whose[boxes > 1] // len(drawn.people)] = True
    kept = ~is_crowded[clump[first]]
    for rows in _rivals(drawn, clump, first, second, np.flatnonzero(~kept)):
        kept[rows[_assign(drawn, first[rows], second[rows], overlap[rows])]] = True
    first, second, overlap = first[kept], second[kept], overlap[kept]
    return Matches(first, second, overlap, _things(drawn, clump, is_crowded, first, second, overlap))


def _overlapping(drawn: Drawn, min_iou: float) -> tuple[Ints, Ints, Floats]:
    """Every two boxes of different people in a picture that overlap enough to be the same object."""
    found: list[tuple[Ints, Ints, Floats]] = []
    order = np.argsort(drawn.picture, kind="stable")
    for boxes in np.split(order, np.flatnonzero(np.diff(drawn.picture[order])) + 1):
        step = max(1, MOST_AT_ONCE // max(1, len(boxes)))
        for start in range(0, len(boxes), step):
            some = boxes[start : start + step]
            overlap = iou(drawn.boxes_px[some], drawn.boxes_px[boxes])
            may_be = (overlap >= min_iou) & (drawn.is_crowd[some][:, None] == drawn.is_crowd[boxes][None, :])
            i, j = np.nonzero(may_be & (drawn.person[some][:, None] < drawn.person[boxes][None, :]))
            found.append((some[i], boxes[j], overlap[i, j]))
    first, second, overlaps = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, overlaps


def _rivals(drawn: Drawn, clump: Ints, first: Ints, second: Ints, rows: Ints) -> Iterator[Ints]:
    """The rows in groups of one clump and two people."""
    keys = np.stack([clump[first[rows]], drawn.person[first[rows]], drawn.person[second[rows]]])
    order = np.lexsort(keys)
    cuts = np.flatnonzero((np.diff(keys[:, order], axis=1) != 0).any(axis=0)) + 1
    return (group for group in np.split(rows[order], cuts) if len(group))


def _assign(drawn: Drawn, first: Ints, second: Ints, overlap: Floats) -> Ints:
    """Positions of the pairs that are matched."""
    ours, i = np.unique(first, return_inverse=True)
    theirs, j = np.unique(second, return_inverse=True)
    position, worth = np.full((len(ours), len(theirs)), -1, np.int64), np.zeros((len(ours), len(theirs)))
    position[i, j], worth[i, j] = np.arange(len(first)), overlap + (drawn.label[first] == drawn.label[second])
    chosen = position[linear_sum_assignment(worth, maximize=True)]
    return np.asarray(chosen[chosen >= 0])


def _things(drawn: Drawn, clump: Ints, is_crowded: Bools, first: Ints, second: Ints, overlap: Floats) -> Ints:
    """An object is a clump; in crowded ones matched boxes are joined, the closest first, while nobody has two in it."""
    thing = np.where(is_crowded[clump], len(drawn) + np.arange(len(drawn)), clump)
    members = {int(thing[box]): [box] for box in np.flatnonzero(is_crowded[clump])}
    rows = np.flatnonzero(is_crowded[clump[first]])
    for row in rows[np.lexsort((second[rows], first[rows], -overlap[rows]))]:
        one, other = int(thing[first[row]]), int(thing[second[row]])
        if one != other and not set(drawn.person[members[one]]) & set(drawn.person[members[other]]):
            thing[members[other]] = one
            members[one] += members.pop(other)
    return np.asarray(np.unique(thing, return_inverse=True)[1], np.int64)
