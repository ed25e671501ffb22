"""How alike people label: do they see the same objects, in the same place, and call them the same.

Misses count in `found` and not in kappa and alpha. As a class "nothing" there, they would mislead, as nobody ever says nothing of
nothing: of two people who both drew 90 of 100 trees, the only class, and each 5 more, kappa would be -0.05.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from include.artifacts import Agreed
from tasks.ingest_labels.answers import Bools, Drawn, Floats, Ints
from tasks.ingest_labels.matching import Matches

DIGITS = 4


@dataclass(frozen=True)
class Measured:
    """Everybody, and by the names of classes and people."""

    overall: Agreed
    by_class: dict[str, Agreed]
    by_person: dict[str, Agreed]


def measure(drawn: Drawn, matches: Matches) -> Measured:
    """Of classes without a box nothing is said; of people without one, that the others drew what they did not."""
    one, other = drawn.label[matches.first], drawn.label[matches.second]
    ours, theirs = drawn.person[matches.first], drawn.person[matches.second]
    pairs, asked = _by_pair(ours, theirs), _asked(drawn)
    by_class, by_person = {}, {}
    for at, name in enumerate(drawn.classes):  # beside all other classes: one label against the rest
        both, mine = (one == at) & (other == at), drawn.label == at
        found = _found(both, int(asked[mine].sum()), drawn, matches)
        kappa, alpha = _kappas(one == at, other == at, pairs.values()), nominal_alpha(matches.thing, mine)
        by_class[name] = _agreed(int(mine.sum()), matches.iou[both], found, kappa, alpha)
    for at, name in enumerate(drawn.people):
        takes_part, mine = (ours == at) | (theirs == at), drawn.person == at
        found = _found(takes_part, _asked_beside(drawn, at), drawn, matches)
        kappa = _kappas(one, other, [rows for pair, rows in pairs.items() if at in pair])
        is_met = np.zeros(len(drawn), np.bool_)
        is_met[matches.thing[mine]] = True
        alpha = nominal_alpha(matches.thing[is_met[matches.thing]], drawn.label[is_met[matches.thing]])
        by_person[name] = _agreed(int(mine.sum()), matches.iou[takes_part], found, kappa, alpha)
    found = _found(np.ones(len(one), np.bool_), int(asked.sum()), drawn, matches)
    kappa, alpha = _kappas(one, other, pairs.values()), nominal_alpha(matches.thing, drawn.label)
    return Measured(_agreed(len(drawn), matches.iou, found, kappa, alpha), by_class, by_person)


def _agreed(boxes: int, overlaps: Floats, found: float | None, kappa: float | None, alpha: float | None) -> Agreed:
    mean = float(overlaps.mean()) if len(overlaps) else None
    numbers = {"found": found, "mean_iou": mean, "kappa": kappa, "alpha": alpha}
    rounded = {name: None if one is None else round(one, DIGITS) for name, one in numbers.items()}
    return Agreed(boxes=boxes, matched=len(overlaps), **rounded)


def _asked(drawn: Drawn) -> Ints:
    """For each box, of how many others one may ask whether they drew it too; 0 where that is not known."""
    others = np.array([len(one.names) - 1 if one.is_whole else 0 for one in drawn.sittings], np.int64)
    return np.asarray(others[drawn.picture])


def _asked_beside(drawn: Drawn, person: int) -> int:
    """The same, of all pairs of people that this one is of."""
    name = drawn.people[person]
    is_there = np.array([one.is_whole and name in one.names for one in drawn.sittings], np.bool_)
    return int(np.where(drawn.person == person, _asked(drawn), is_there[drawn.picture]).sum())


def _found(which: Bools, asked: int, drawn: Drawn, matches: Matches) -> float | None:
    """Twice the matched pairs by the boxes of both sides: F1, the same whoever of two people is taken to be right."""
    whole = np.array([one.is_whole for one in drawn.sittings], np.bool_)
    return 2 * int((which & whole[drawn.picture[matches.first]]).sum()) / int(asked) if asked else None


def cohens_kappa(one: Ints | Bools, other: Ints | Bools) -> float | None:
    """Of what two people said of the same objects; None where both said one and the same of all, or there is none."""
    values = np.unique(np.concatenate([one, other]))
    if len(values) < 2:
        return None
    shares = [(np.mean(one == value), np.mean(other == value)) for value in values]
    by_chance = float(sum(first * second for first, second in shares))
    return float((np.mean(one == other) - by_chance) / (1 - by_chance))


def _by_pair(ours: Ints, theirs: Ints) -> dict[tuple[int, int], Ints]:
    """By two people, the positions of their matched boxes."""
    order = np.lexsort((theirs, ours))
    cuts = np.flatnonzero((np.diff(ours[order]) != 0) | (np.diff(theirs[order]) != 0)) + 1
    return {(int(ours[rows[0]]), int(theirs[rows[0]])): rows for rows in np.split(order, cuts) if len(rows)}


def _kappas(one: Ints | Bools, other: Ints | Bools, pairs: Iterable[Ints]) -> float | None:
    """The mean over the pairs of people (Light's kappa), each weighing as much as they have objects in common."""
    known = [(kappa, len(rows)) for rows in pairs if (kappa := cohens_kappa(one[rows], other[rows])) is not None]
    return sum(kappa * weight for kappa, weight in known) / sum(weight for _, weight in known) if known else None


def nominal_alpha(unit: Ints, value: Ints | Bools) -> float | None:
    """Krippendorff's alpha for names. `value` (N,) is what somebody said of `unit` (N,); units with one value say nothing.

    After K. Krippendorff, Computing Krippendorff's alpha-reliability (2011), by counting: in a unit of which m spoke, n of them
    alike, n (n - 1) / (m - 1) agreements. None where all say the same. (PyPI's `krippendorff` is under the GPL, and asks for
    units × classes² numbers of memory.)
    """
    spoke = np.bincount(unit) if len(unit) else np.zeros(0, np.int64)
    unit, value = unit[spoke[unit] > 1], value[spoke[unit] > 1]
    values, totals = np.unique(value, return_counts=True)
    if len(values) < 2:
        return None
    said = (np.bincount(unit[value == one], minlength=len(spoke)) for one in values)
    agreements = float(sum((alike * (alike - 1) / np.maximum(spoke - 1, 1)).sum() for alike in said))
    total = len(value)
    by_chance = float((totals * (totals - 1)).sum()) / (total - 1)
    return 1 - (total - agreements) / (total - by_chance)
