"""Are two lists of detections the same?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.artifacts import Detection
from tasks.test_bundle.config import ParityConfig

MOST_SHOWN, LEAST_SCORE = 100, 0.05  # as Detector.detect and OnnxDetector.detect do unless told otherwise


@dataclass(frozen=True)
class Comparison:
    """`unmatched` describes what has no counterpart; the shifts are the largest among the pairs."""

    pairs: int
    unmatched: tuple[str, ...]
    shift_px: float
    score_change: float

    @property
    def text(self) -> str:
        if self.unmatched:
            return f"{self.pairs} equal, {len(self.unmatched)} not: {'; '.join(self.unmatched[:3])}"
        if self.shift_px == self.score_change == 0:
            return f"{self.pairs} detections, identical"
        return f"{self.pairs} detections, boxes within {self.shift_px:.2g} px, scores within {self.score_change:.2g}"


def shift_px(ours: Detection, theirs: Detection) -> float:
    """The largest distance between corresponding edges."""
    return max(abs(a - b) for a, b in zip(ours.box_xyxy_px, theirs.box_xyxy_px, strict=True))


def compare(got: Sequence[Detection], expected: Sequence[Detection], tolerance: ParityConfig) -> Comparison:
    """Pairs of the same class, close in box and score. What is missing on one side counts, unless its score is so near to
    where the other list ends that it may just have fallen out of it.
    """
    left, pairs, unmatched = list(got), [], []
    for one in expected:
        near = [
            other
            for other in left
            if other.class_name == one.class_name
            and shift_px(other, one) <= tolerance.box_tolerance_px
            and abs(other.score - one.score) <= tolerance.score_tolerance
        ]
        if near:
            best = min(near, key=lambda other: (shift_px(other, one), abs(other.score - one.score)))
            left.remove(best)
            pairs.append((best, one))
        elif one.score > _end(got) + tolerance.score_tolerance:
            unmatched.append(f"missing {_told(one)}")
    unmatched += [f"new {_told(one)}" for one in left if one.score > _end(expected) + tolerance.score_tolerance]
    return Comparison(
        len(pairs),
        tuple(unmatched),
        max((shift_px(ours, theirs) for ours, theirs in pairs), default=0.0),
        max((abs(ours.score - theirs.score) for ours, theirs in pairs), default=0.0),
    )


def _end(detections: Sequence[Detection]) -> float:
    """The score below which a list shows nothing."""
    return min(one.score for one in detections) if len(detections) >= MOST_SHOWN else LEAST_SCORE


def _told(one: Detection) -> str:
    return f"{one.class_name} {one.score:.4f} at {', '.join(f'{edge:.1f}' for edge in one.box_xyxy_px)}"
