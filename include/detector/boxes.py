"""Boxes as tensors (…, 4): x0 y0 x1 y1 in pixels; the right and lower edge are outside."""

from __future__ import annotations

from torch import Tensor


def area_px2(boxes: Tensor) -> Tensor:
    """(…, 4) → (…); a box turned inside out has none."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU of boxes pair by pair, in -1…1: also falls off between boxes that do not touch (Rezatofighi et al. 2019)."""
    low, high = a[..., :2].maximum(b[..., :2]), a[..., 2:].minimum(b[..., 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    union = area_px2(a) + area_px2(b) - overlap
    hull = (a[..., 2:].maximum(b[..., 2:]) - a[..., :2].minimum(b[..., :2])).clamp(min=0).prod(-1)
    return overlap / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
