"""Known errors are found: planted ones by rank, and single ones worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from include.overlaps import overlapping
from tasks.find_label_errors.boxes import Boxes
from tasks.find_label_errors.judge import KINDS, Suspects, judge
from tasks.find_label_errors.trust import Trust, learn
from tests.planted_errors import Planted, plant

PRIOR = 0.02
# Decided before it was measured: a random ranking has an AUROC of 0.5, and 1 in 100 right among the first.
LEAST_AUROC = 0.95
LEAST_RIGHT_AMONG_FIRST = 0.7


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(images=400, seed=5)


@pytest.fixture(scope="module")
def found(planted: Planted) -> Suspects:
    """As the step does it: trust comes from a part of the images, whose labels have errors too."""
    of_val = [boxes.where(boxes.image < 150) for boxes in (planted.given, planted.seen)]
    return judge(planted.given, planted.seen, learn(*of_val), PRIOR)


def auroc(scores: Any, is_error: Any) -> float:
    """The chance that an error is ranked before what is none."""
    return float(mannwhitneyu(scores[is_error], scores[~is_error]).statistic / (is_error.sum() * (~is_error).sum()))


@pytest.mark.parametrize("kind", KINDS[1:])
def test_planted_errors_of_each_kind_are_ranked_before_good_boxes(planted: Planted, found: Suspects, kind: str) -> None:
    """Whatever it is called: a box moved far away may pass for one on nothing."""
    scores = np.zeros(len(planted.given))
    of_given = found.given >= 0
    scores[found.given[of_given]] = found.score[of_given]
    is_error = planted.kind == KINDS.index(kind)
    some = is_error | (planted.kind < 0)
    assert auroc(scores[some], is_error[some]) >= LEAST_AUROC


def test_boxes_that_were_removed_are_ranked_before_false_detections(planted: Planted, found: Suspects) -> None:
    """Of several detections of a removed box the best counts, and of those that are on a given box none."""
    of_seen = np.flatnonzero(found.kind == 0)
    ones, others, _ = overlapping(
        planted.seen.image[found.seen[of_seen]],
        planted.seen.box[found.seen[of_seen]],
        planted.removed.image,
        planted.removed.box,
        0.5,
    )
    best = np.zeros(len(planted.removed))
    np.maximum.at(best, others, found.score[of_seen[ones]])
    false = found.score[np.delete(of_seen, np.unique(ones))]
    assert auroc(np.append(best, false), np.arange(len(best) + len(false)) < len(best)) >= LEAST_AUROC


def test_most_of_the_first_are_errors(planted: Planted, found: Suspects) -> None:
    number = round(0.01 * 400 * 20) * 2  # half of what was planted
    right = np.zeros(number, bool)
    for kind in KINDS:
        at = np.flatnonzero(found.kind[:number] == KINDS.index(kind))
        right[at] = planted.is_error(kind, found.given[at], found.seen[at])
    assert right.mean() >= LEAST_RIGHT_AMONG_FIRST
    assert set(found.kind[:number]) == set(range(len(KINDS)))


def test_scores_fall_and_are_chances(found: Suspects) -> None:
    assert (np.diff(found.score) <= 0).all()
    assert found.score[0] <= 1
    assert found.score[-1] >= 0


def test_a_given_box_is_accused_of_one_thing_only(found: Suspects) -> None:
    given = found.given[found.given >= 0]
    assert len(given) == len(set(given.tolist()))


@pytest.fixture(scope="module")
def trust() -> Trust:
    """Of a detector that is right as often as its score says, and seldom misses or misplaces."""
    flat = np.append(0, np.linspace(5, -5, 20))
    flat[0] = flat[1]
    return Trust({-1: np.array([1.0, 0.0])}, {-1: flat}, {-1: flat})


HERE, NEAR, FAR = [100, 100, 40, 40], [125, 100, 40, 40], [300, 300, 50, 50]  # HERE and NEAR overlap by 15/65 = 0.23


def told(given: Boxes, seen: Boxes, trust: Trust) -> dict[str, float]:
    suspects = judge(given, seen, trust, PRIOR)
    return {KINDS[kind]: float(score) for kind, score in zip(suspects.kind, suspects.score, strict=True) if score >= 0.1}


@pytest.mark.parametrize(
    ("given", "seen", "expected"),
    [
        ([(0, HERE)], [(0, HERE, 0.95)], set()),
        ([(0, HERE)], [(0, HERE, 0.95), (0, FAR, 0.95)], {"missing"}),
        ([], [(0, FAR, 0.95)], {"missing"}),
        ([(0, HERE), (0, FAR)], [(0, HERE, 0.95)], {"spurious"}),
        ([(0, HERE)], [], {"spurious"}),
        ([(0, HERE), (0, HERE)], [(0, HERE, 0.95)], {"spurious"}),
        ([(0, HERE)], [(1, HERE, 0.95)], {"swapped"}),
        ([(0, HERE)], [(1, HERE, 0.95), (0, HERE, 0.02)], {"swapped"}),
        ([(0, HERE)], [(0, HERE, 0.9), (1, HERE, 0.3)], set()),
        ([(0, NEAR)], [(0, HERE, 0.95)], {"misplaced"}),
        ([(0, HERE)], [(0, HERE, 0.95), (0, NEAR, 0.95)], {"missing"}),
        ([(-1, HERE)], [], set()),
        ([(-1, HERE)], [(0, HERE, 0.95)], set()),
        ([(0, HERE)], [(0, HERE, 0.95), (0, FAR, 0.3)], set()),
        ([], [], set()),
    ],
    ids=[
        "all is well", "one more", "one more in an empty image", "nothing there", "no detection at all", "drawn twice",
        "another class", "another class, and faintly the given one", "faintly another class", "moved", "a neighbour without box",
        "class that the model does not know", "such a box on an object", "an unsure detection", "an empty image",
    ],
)  # fmt: skip
def test_an_error_is_called_by_its_name(given: list[Any], seen: list[Any], expected: set[str], trust: Trust) -> None:
    people = Boxes.of([0] * len(given), [label for label, _ in given], [box for _, box in given])
    model = Boxes.of([0] * len(seen), [one[0] for one in seen], [one[1] for one in seen], [one[2] for one in seen])
    assert set(told(people, model, trust)) == expected


def test_nothing_is_missing_within_a_crowd_and_the_crowd_itself_is_not_judged(trust: Trust) -> None:
    crowd = Boxes.of([0], [0], [[0, 0, 400, 400]], crowd=[True])
    assert told(crowd, Boxes.of([0], [0], [FAR], [0.95]), trust) == {}


def test_boxes_of_other_images_have_nothing_to_do_with_each_other(trust: Trust) -> None:
    assert set(told(Boxes.of([0], [0], [HERE]), Boxes.of([1], [0], [HERE], [0.95]), trust)) == {"missing", "spurious"}


def test_a_missing_box_is_as_likely_as_prior_and_odds_say(trust: Trust) -> None:
    # 2 in 100 labels are wrong, and the detection is right 19 times in 20: 0.02 × 19 / (0.02 × 19 + 0.98)
    assert told(Boxes.of([], [], []), Boxes.of([0], [0], [FAR], [0.95]), trust) == {"missing": pytest.approx(0.38 / 1.36)}


def test_scores_are_learned_from_labels_however_timid_the_detector() -> None:
    """All its scores are below 0.5: the surest tenth is right 9 times in 10, the others 1 in 10."""
    right = np.array([True] * 90 + [False] * 10 + [True] * 90 + [False] * 810)
    seen = Boxes.of(np.arange(1000), np.zeros(1000), [HERE] * 1000, [0.4] * 100 + [0.1] * 900)
    given = Boxes.of(np.flatnonzero(right), np.zeros(180), [HERE] * 180)
    learned = learn(given, seen)
    chances = learned.is_right(Boxes.of([0, 0], [0, 0], [HERE, HERE], [0.4, 0.1]))
    assert chances == pytest.approx([0.9, 0.1], abs=0.01)


def test_a_class_with_few_boxes_is_judged_as_all_are() -> None:
    seen = Boxes.of(np.arange(210), [0] * 200 + [1] * 10, [HERE] * 210, [0.5] * 210)
    learned = learn(Boxes.of(np.arange(200), [0] * 200, [HERE] * 200), seen)
    assert learned.curves.keys() == {-1, 0}
    both = learned.is_right(Boxes.of([0, 0], [0, 1], [HERE, HERE], [0.5, 0.5]))
    assert both[0] > 0.98
    assert both[1] == pytest.approx(200 / 210, abs=0.02)


def test_nothing_to_learn_from_leaves_scores_as_they_are() -> None:
    learned = learn(Boxes.of([], [], []), Boxes.of([0], [0], [HERE], [0.7]))
    assert learned.is_right(Boxes.of([0], [0], [HERE], [0.7])) == pytest.approx([0.7])
    none = Boxes.of([], [], [])
    assert learn(none, none).is_right(none).shape == (0,)
