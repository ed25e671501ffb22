"""Which labels are likely wrong, and how likely: a pure function of given boxes, seen boxes and how far the model is trusted.

The four kinds are those of ObjectLab (Tkachenko, Thyagarajan, Mueller 2023, arXiv:2309.00832), and `spurious`, which it has not.
Its scores have fixed thresholds (only detections above 0.95 may accuse) and no common scale; here every score is a chance:
`prior` (the share of labels that are expected to be wrong) weighed against how rare such a sight is where labels are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.overlaps import Floats, Ints, overlapping
from tasks.find_label_errors.boxes import SAME_PLACE_IOU, Boxes, Pairs, highest, inside
from tasks.find_label_errors.trust import Trust, partners, supports

KINDS = ("missing", "spurious", "swapped", "misplaced")


@dataclass(frozen=True)
class Suspects:
    """S likely errors, (S,) each. `kind`: position in KINDS. `given`, `seen`: positions of the boxes, -1: there is none.

    `score`: how likely the label is wrong, 0…1.
    """

    kind: Ints
    given: Ints
    seen: Ints
    score: Floats

    @classmethod
    def of(cls, kind: str, given: Ints, seen: Ints, score: Floats) -> Suspects:
        return cls(np.full(len(score), KINDS.index(kind)), given, seen, score)

    def where(self, chosen: Ints) -> Suspects:
        return Suspects(self.kind[chosen], self.given[chosen], self.seen[chosen], self.score[chosen])


def judge(given: Boxes, seen: Boxes, trust: Trust, prior: float) -> Suspects:
    """Likely errors, the likeliest first. Of a given box only the likeliest kind is told."""
    sure, pairs = trust.is_right(seen), Pairs.of(given, seen)
    partner = partners(given, seen, pairs, sure)
    is_judged = (given.label >= 0) & ~given.crowd
    drawn = [
        _spurious(given, pairs, partner, sure, trust, prior),
        _swapped(given, seen, pairs, partner, sure, prior),
        _misplaced(given, seen, partner, sure, trust, prior),
    ]
    of_given = Suspects(*(np.concatenate(parts) for parts in zip(*(vars(one).values() for one in drawn), strict=True)))
    of_given = of_given.where(np.flatnonzero(is_judged[of_given.given]))
    of_given = of_given.where(np.argsort(-of_given.score, kind="stable"))
    of_given = of_given.where(np.unique(of_given.given, return_index=True)[1])
    parts = zip(vars(_missing(given, seen, pairs, partner, sure, prior)).values(), vars(of_given).values(), strict=True)
    found = Suspects(*(np.concatenate(part) for part in parts))
    surest = np.where(found.seen >= 0, sure[found.seen], 0.0) if len(seen) else np.zeros(len(found.score))
    return found.where(np.lexsort((-surest, -found.score)))


def chance(prior: float, likelier: Floats) -> Floats:
    """Of an error, if what was seen is `likelier` times as likely with it as without."""
    return prior * likelier / (prior * likelier + 1 - prior)


def _missing(given: Boxes, seen: Boxes, pairs: Pairs, partner: Pairs, sure: Floats, prior: float) -> Suspects:
    """Seen, and no given box has to do with it: the surer and the freer, the likelier."""
    is_free = np.ones(len(seen), bool)
    is_free[partner.seen] = False
    is_free[pairs.seen[pairs.iou >= SAME_PLACE_IOU]] = False
    is_free &= inside(seen, given.where(given.crowd)) < SAME_PLACE_IOU
    at = np.flatnonzero(is_free)
    at = at[~_is_repetition(seen.where(at), sure[at], seen, sure)]
    clear = 1 - highest(pairs.iou, pairs.seen, len(seen))[at]
    likelier = sure[at] / np.maximum(1 - sure[at], 1e-6)
    return Suspects.of("missing", np.full(len(at), -1), at, chance(prior, likelier) * clear)


def _is_repetition(some: Boxes, sure: Floats, every: Boxes, every_sure: Floats) -> Ints:
    """(some,): whether the model sees the same place more surely, as this class or another."""
    ones, others, _ = overlapping(some.image, some.box, every.image, every.box, SAME_PLACE_IOU)
    found = highest((every_sure[others] > sure[ones]).astype(float), ones, len(some)) > 0
    return np.asarray(found)


def _spurious(given: Boxes, pairs: Pairs, partner: Pairs, sure: Floats, trust: Trust, prior: float) -> Suspects:
    """Drawn where the model sees nothing: the rarer it is that it misses one of the class so, the likelier."""
    likelier = trust.of_support(given.label, supports(given, pairs, partner, sure))
    return Suspects.of("spurious", np.arange(len(given)), np.full(len(given), -1), chance(prior, likelier))


def _swapped(given: Boxes, seen: Boxes, pairs: Pairs, partner: Pairs, sure: Floats, prior: float) -> Suspects:
    """The model sees another class in the same place, and its own class less."""
    own = np.full(len(seen), -1)
    own[partner.seen] = partner.given
    here = pairs.where((pairs.iou >= SAME_PLACE_IOU) & ((own[pairs.seen] < 0) | (own[pairs.seen] == pairs.given)))
    same = given.label[here.given] == seen.label[here.seen]
    as_said = highest(sure[here.seen[same]], here.given[same], len(given))
    other = here.where(~same)
    value = sure[other.seen] * (1 - as_said[other.given])
    return Suspects.of("swapped", other.given, other.seen, chance(prior, value / np.maximum(1 - value, 1e-6)))


def _misplaced(given: Boxes, seen: Boxes, partner: Pairs, sure: Floats, trust: Trust, prior: float) -> Suspects:
    """The model sees the class elsewhere: the rarer it is that box and detection fit so badly, the likelier."""
    same = partner.where(given.label[partner.given] == seen.label[partner.seen])
    likelier = trust.of_iou(given.label[same.given], same.iou)
    return Suspects.of("misplaced", same.given, same.seen, sure[same.seen] * chance(prior, likelier))
