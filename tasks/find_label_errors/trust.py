"""How far the model is to be believed, learned from images that it was not trained on and the labels they have.

Those labels have mistakes too, which makes the model look a little worse than it is: it accuses less, not more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from include.overlaps import Floats, Ints, one_to_one
from tasks.find_label_errors.boxes import SAME_PLACE_IOU, Boxes, Pairs, highest

FEWEST = 50  # boxes from which on a class is judged by its own; below, by those of all classes together
ENOUGH = 20_000  # detections from which two numbers are learned; more would only take longer
BINS = 20
MIDDLES = (np.arange(BINS) + 0.5) / BINS
FROM_0 = np.append(0, MIDDLES)
ByClass = dict[int, Floats]


@dataclass(frozen=True)
class Trust:
    """Of each class; key -1: of all. `curves`: slope and offset (2,). `far_off`, `unseen`: at FROM_0, logarithms."""

    curves: ByClass
    far_off: ByClass
    unseen: ByClass

    def is_right(self, seen: Boxes) -> Floats:
        """The chance that each detection is an object of its class where it says (IoU at least 0.5)."""
        return _each(seen.label, self.curves, lambda curve, at: _logistic(curve, seen.score[at]))

    def of_iou(self, label: Ints, iou: Floats) -> Floats:
        """How much likelier an IoU of box and detection is if the box is misplaced than as it comes with boxes of the class."""
        return _each(label, self.far_off, lambda known, at: np.exp(np.interp(iou[at], FROM_0, known)))

    def of_support(self, label: Ints, support: Floats) -> Floats:
        """The same of how surely something is seen there, if the box is on nothing."""
        return _each(label, self.unseen, lambda known, at: np.exp(np.interp(support[at], FROM_0, known)))


def learn(given: Boxes, seen: Boxes) -> Trust:
    """From boxes of the images that tell: those that the model was not trained on."""
    pairs = Pairs.of(given, seen)
    same = pairs.where((given.label[pairs.given] == seen.label[pairs.seen]) & ~given.crowd[pairs.given])
    fits = same.where(same.iou >= SAME_PLACE_IOU)
    fits = fits.where(np.lexsort((-fits.iou, -seen.score[fits.seen])))
    right = np.zeros(len(seen), bool)
    right[fits.seen[one_to_one(fits.given, fits.seen)]] = True
    curves = _by_class(seen.label, lambda at: _fitted(seen.score[at], right[at]))
    trust = Trust(curves, {}, {})
    sure = trust.is_right(seen)
    partner = partners(given, seen, pairs, sure)
    iou = same.where(np.isin(same.given * len(seen) + same.seen, partner.given * len(seen) + partner.seen))
    judged = np.flatnonzero((given.label >= 0) & ~given.crowd)
    support = supports(given, pairs, partner, sure)
    return Trust(
        curves,
        _by_class(given.label[iou.given], lambda at: _evidence(iou.iou[at], _middle(iou.iou[at]) > MIDDLES)),
        _by_class(given.label[judged], lambda at: _evidence(support[judged[at]], 0.5 ** np.arange(BINS))),
    )


def partners(given: Boxes, seen: Boxes, pairs: Pairs, sure: Floats) -> Pairs:
    """Which detection speaks of which given box, one to one: those in the same place first, then the surest and closest.

    A class that differs counts half. Boxes that overlap less than SAME_PLACE_IOU are partners only within a class.
    """
    same = given.label[pairs.given] == seen.label[pairs.seen]
    fit = same | (pairs.iou >= SAME_PLACE_IOU)
    pairs, same = pairs.where(fit), same[fit]
    value = sure[pairs.seen] * pairs.iou * np.where(same, 1.0, 0.5)
    ordered = pairs.where(np.lexsort((-value, pairs.iou < SAME_PLACE_IOU)))
    return ordered.where(one_to_one(ordered.given, ordered.seen))


def supports(given: Boxes, pairs: Pairs, partner: Pairs, sure: Floats) -> Floats:
    """(given,), 0…1: how surely the model sees something where each box is, that is not another box's partner.

    On a scale of magnitudes: 1 is sure, 2/3 a chance of 0.1, 1/3 of 0.01, 0 of 0.001 or nothing: faint is far from nothing. Below
    SAME_PLACE_IOU it falls with the overlap.
    """
    is_taken = np.zeros(len(sure), bool)
    is_taken[partner.seen] = True
    free = pairs.where(~is_taken[pairs.seen])
    magnitude = 1 + np.log10(np.maximum(sure, 1e-3)) / 3
    best = [
        highest(magnitude[some.seen] * np.minimum(1, some.iou / SAME_PLACE_IOU), some.given, len(given))
        for some in (partner, free)
    ]
    return np.maximum(*best)


def _fitted(score: Floats, right: NDArray[np.bool_]) -> Floats:
    """Slope and offset of Platt's logistic curve (Platt 1999, with his smoothed targets), over the score's log-odds."""
    some = slice(None, None, 1 + len(score) // ENOUGH)
    score, right = score[some], right[some]
    if not len(score) or not right.any():
        return np.array([1.0, 0.0])  # nothing to learn from: the score as it is
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    odds = _log_odds(score)

    def loss(curve: Floats) -> tuple[float, Floats]:
        value = curve[0] * odds + curve[1]
        off = 1 / (1 + np.exp(-value)) - target
        return float(np.sum(np.logaddexp(0, value) - target * value)), np.array([off @ odds, off.sum()])

    best: Floats = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.05, 20), (-20, 20)]).x
    return best


def _logistic(curve: Floats, score: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-(curve[0] * _log_odds(score) + curve[1])))
    return chance


def _log_odds(score: Floats) -> Floats:
    within = np.clip(score, 1e-6, 1 - 1e-6)
    return np.log(within / (1 - within))


def _middle(values: Floats) -> float:
    return float(np.median(values)) if len(values) else 1.0


def _evidence(values: Floats, if_wrong: Any) -> Floats:
    """At FROM_0, the logarithm of how much likelier a value in 0…1 is for a wrong box than for any: the lower, the more.

    `if_wrong`: (BINS,) how often wrong boxes are thought to have it, in any unit. Misplaced ones: any IoU below what is usual
    alike; boxes on nothing: mostly no detection near, half as often each step up.
    """
    wrong = (if_wrong + 1e-9) / np.sum(if_wrong + 1e-9)
    common = (np.histogram(values, BINS, (0, 1))[0] + 0.5) / (len(values) + 0.5 * BINS)
    falling = np.log(np.maximum.accumulate((wrong / common)[::-1])[::-1])
    return np.append(1.5 * falling[0] - 0.5 * falling[1], falling)


def _by_class(label: Ints, learned: Callable[[Ints], Floats]) -> ByClass:
    """What is learned of each class that has enough, and of all (-1)."""
    classes, counts = np.unique(label, return_counts=True)
    return {-1: learned(np.arange(len(label)))} | {
        int(one): learned(np.flatnonzero(label == one)) for one, count in zip(classes, counts, strict=True) if count >= FEWEST
    }


def _each(label: Ints, known: ByClass, told: Callable[[Floats, Ints], Floats]) -> Floats:
    """Of each box, by what is known of its class."""
    found = np.zeros(len(label))
    for one in np.unique(label):
        at = np.flatnonzero(label == one)
        found[at] = told(known.get(int(one), known[-1]), at)
    return found
