"""Test pictures with true and detected boxes drawn, small enough to lie inside a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from include.drawing import Outline, drawn, figure, grid
from tasks.evaluate_model.detecting import Seen
from tasks.evaluate_model.scoring import Matches, Scored
from tasks.evaluate_model.truth import Truth

COLOURS = {"found": "#2dd4ff", "missed": "#ffd500", "false": "#ff2d95"}  # apart for colour-blind eyes too, on leaves and asphalt


@dataclass(frozen=True)
class Mistakes:
    """What a model got right and wrong in one picture, at one score threshold; boxes are x, y, width, height in its pixels."""

    found: list[list[float]]
    missed: list[list[float]]
    false: list[list[float]]

    @property
    def count(self) -> int:
        return len(self.missed) + len(self.false)


@dataclass(frozen=True)
class WorkingPoint:
    """The score from which on a detection is best believed: where F1 over all classes is highest."""

    min_score: float
    precision: float
    recall: float


def working_point(matches: Mapping[str, Matches]) -> WorkingPoint:
    scores = np.concatenate([one.scores for one in matches.values()])
    is_true = np.concatenate([one.is_true for one in matches.values()])
    truths = sum(int(one.truths.sum()) for one in matches.values())
    if not is_true.any():
        return WorkingPoint(1.0, 0.0, 0.0)
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(is_true[order])
    precision, recall = right / np.arange(1, len(right) + 1), right / truths
    best = int(np.argmax(precision * recall / np.maximum(precision + recall, 1e-12)))
    return WorkingPoint(float(scores[order][best]), float(precision[best]), float(recall[best]))


def mistakes_by_image(truth: Truth, seen: Seen, scored: Scored, min_score: float) -> dict[int, Mistakes]:
    """For every test image, by its id."""
    believed = {index for index, one in enumerate(seen.detections) if one["score"] >= min_score}
    pairs = [(annotation, detection) for _, annotation, detection in scored.pairs if detection in believed]
    found_truths, found_detections = {one for one, _ in pairs}, {one for _, one in pairs}
    result: dict[int, Mistakes] = defaultdict(lambda: Mistakes([], [], []))
    for image in truth.images:
        result[image["id"]]  # pictures without boxes have an entry too
    for annotation in truth.annotations:
        if annotation["id"] not in found_truths and not annotation["iscrowd"]:
            result[annotation["image_id"]].missed.append(annotation["bbox"])
    for index in sorted(believed):
        one = seen.detections[index]
        kind = result[one["image_id"]].found if index in found_detections else result[one["image_id"]].false
        kind.append(one["bbox"])
    return dict(result)


def with_boxes(image: bytes, mistakes: Mistakes) -> str:
    """A JPEG data URI."""
    return drawn(image, [Outline(box, colour) for kind, colour in COLOURS.items() for box in getattr(mistakes, kind)])


def chosen(mistakes: Mapping[int, Mistakes], count: int) -> list[int]:
    """Image ids: half of them those with the most mistakes, the others evenly from the rest."""
    order = sorted(mistakes, key=lambda image_id: (-mistakes[image_id].count, image_id))
    worst, rest = order[: (count + 1) // 2], order[(count + 1) // 2 :]
    others = min(count - len(worst), len(rest))
    return worst + [rest[(index * 2 + 1) * len(rest) // (2 * others)] for index in range(others)]


def gallery(truth: Truth, mistakes: Mapping[int, Mistakes], read: Callable[[str], bytes], image_ids: Sequence[int]) -> str:
    """HTML: the pictures with their counts."""
    by_id = {image["id"]: image for image in truth.images}
    figures = []
    for image_id in image_ids:
        image, one = by_id[image_id], mistakes[image_id]
        counts = f"{len(one.found)} found, {len(one.missed)} missed, {len(one.false)} false"
        source = with_boxes(read(image["md5"]), one)
        figures.append(figure(source, image["file_name"], counts, PurePosixPath(image["file_name"]).name))
    return grid(figures)
