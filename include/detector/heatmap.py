"""What a centre-point detector is taught, and how its output is read: heat maps of box centres, four distances per cell.

Zhou et al. 2019, "Objects as Points" (arXiv:1904.07850), with the elliptical peaks and the box samples around a centre of
Liu et al. 2020, "Training-Time-Friendly Network" (arXiv:1909.00700): more box gradients per picture, so it learns in a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STRIDE_PX = 4
FOOT = 1e-3  # a peak ends where it falls below
PEAK = 0.54  # share of a box that its peak covers (TTFNet's alpha and beta)


@dataclass(frozen=True)
class Targets:
    """heat (C, h, w) in 0…1, exactly 1 at centres; boxes (4, h, w) px; weight (h, w), 0 where no box is taught."""

    heat: Tensor
    boxes: Tensor
    weight: Tensor


def encode(boxes: Tensor, labels: Tensor, classes: int, height: int, width: int) -> Targets:
    """Boxes (M, 4) px and labels (M,) as targets on a grid of `height` × `width` cells. Where two overlap, the smaller wins."""
    heat = boxes.new_zeros(classes, height, width)
    if not len(boxes):
        return Targets(heat, boxes.new_zeros(4, height, width), boxes.new_zeros(height, width))
    sides_px = boxes[:, 2:] - boxes[:, :2]
    sigma = (sides_px / STRIDE_PX * PEAK / 6).clamp(min=0.4)
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2 / STRIDE_PX).floor()
    across = torch.arange(width, device=boxes.device) - centre[:, :1].clamp(0, width - 1)  # (M, w)
    down = torch.arange(height, device=boxes.device) - centre[:, 1:].clamp(0, height - 1)  # (M, h)
    bell_x, bell_y = (torch.exp(-(d**2) / (2 * s**2)) for d, s in ((across, sigma[:, :1]), (down, sigma[:, 1:])))
    peaks = bell_y[:, :, None] * bell_x[:, None, :]  # (M, h, w)
    peaks = torch.where(peaks < FOOT, 0, peaks)
    for label in sorted(set(labels.tolist())):
        heat[label] = peaks[labels == label].amax(0)
    owner = torch.where(peaks > 0, sides_px.prod(-1)[:, None, None], torch.inf).argmin(0)  # (h, w)
    shares = peaks / peaks.sum((1, 2), keepdim=True)  # every box weighs the same, however many cells it covers
    return Targets(heat, boxes[owner].permute(2, 0, 1), shares.gather(0, owner[None])[0])


def cell_centres_px(height: int, width: int, like: Tensor) -> Tensor:
    """(4, height, width): x y x y of each cell's middle."""
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * STRIDE_PX
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * STRIDE_PX
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)]).repeat(2, 1, 1)


def boxes_from_distances(distances_px: Tensor) -> Tensor:
    """Distances (N, 4, h, w) px to the left, upper, right, lower edge → boxes (N, 4, h, w)."""
    centres = cell_centres_px(distances_px.shape[2], distances_px.shape[3], distances_px)
    return torch.cat([centres[:2] - distances_px[:, :2], centres[2:] + distances_px[:, 2:]], dim=1)


def decode(heat: Tensor, boxes: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `most` highest peaks: boxes (N, K, 4), scores (N, K) falling, labels (N, K). A peak is a 3×3 maximum of `heat`
    (N, C, h, w), 0…1: this stands in for non-maximum suppression.
    """
    peaks = heat * (functional.max_pool2d(heat, 3, stride=1, padding=1) == heat)
    cells = heat.shape[2] * heat.shape[3]
    scores, index = peaks.flatten(1).topk(min(most, heat.shape[1] * cells), dim=1)
    at = (index % cells)[:, :, None].expand(-1, -1, 4)
    return boxes.flatten(2).transpose(1, 2).gather(1, at), scores, index // cells


def focal_loss(logits: Tensor, heat: Tensor) -> Tensor:
    """Penalty-reduced focal loss per true centre (CornerNet, alpha 2, beta 4), over (N, C, h, w)."""
    logits = logits.float()
    centre = heat.eq(1).float()
    chance = logits.sigmoid()
    hit = functional.logsigmoid(logits) * (1 - chance) ** 2 * centre
    miss = functional.logsigmoid(-logits) * chance**2 * (1 - heat) ** 4 * (1 - centre)
    return -(hit + miss).sum() / centre.sum().clamp(min=1)
