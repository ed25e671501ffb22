"""Where boxes lie after an edit of their picture. Boxes: (N, 4) left, top, width, height px."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from include.versions.operations.edits import Edit

Boxes = NDArray[np.float64]


def place(boxes: Boxes, edit: Edit) -> tuple[Boxes, Boxes]:
    """The boxes in the new picture, clipped to it, and the share (N,) of each one's area that is left: 0 … 1."""
    left, top, width, height = edit.region
    x0, x1 = (np.clip(edge - left, 0, width) for edge in (boxes[:, 0], boxes[:, 0] + boxes[:, 2]))
    y0, y1 = (np.clip(edge - top, 0, height) for edge in (boxes[:, 1], boxes[:, 1] + boxes[:, 3]))
    area = boxes[:, 2] * boxes[:, 3]
    share = np.divide((x1 - x0) * (y1 - y0), area, out=np.zeros(len(boxes)), where=area > 0)
    wide, high = edit.size
    x0, x1 = x0 * (wide / width), x1 * (wide / width)
    y0, y1 = y0 * (high / height), y1 * (high / height)
    if edit.mirror:
        x0, x1 = wide - x1, wide - x0
    for _ in range(edit.quarter_turns):  # counter-clockwise: the right edge becomes the top
        x0, y0, x1, y1 = y0, wide - x1, y1, wide - x0
        wide, high = high, wide
    return np.stack([x0, y0, _length(x0, x1, wide), _length(y0, y1, high)], axis=1), np.minimum(share, 1)


def _length(start: Boxes, end: Boxes, limit: int) -> Boxes:
    """Such that start + length, as floats add, is not beyond the picture."""
    length = np.minimum(end, limit) - start
    return np.where(start + length > limit, np.nextafter(length, 0), length)


def iou(one: Boxes, others: Boxes) -> Boxes:
    """Intersection over union of one box (4,) with others (N, 4): (N,)."""
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[:2] + one[2:], others[:, :2] + others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    either = one[2] * one[3] + others[:, 2] * others[:, 3] - both
    shares: Boxes = np.divide(both, either, out=np.zeros(len(others)), where=either > 0)
    return shares
