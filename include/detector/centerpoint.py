"""A small anchor-free detector in plain torch, for CPUs, edge devices and the demo: about a million parameters.

Zhou et al. 2019, "Objects as Points": a heat map of box centres at a quarter of the picture's size, and a box at each cell.
No anchors, no non-maximum suppression: the whole of it, decoding too, is one ONNX graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from include.detector import heatmap
from include.detector.base import MOST_DETECTIONS, Detector
from include.detector.boxes import generalised_iou


class CenterPointConfig(BaseModel):
    """What builds the network; kept in every checkpoint and bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["centerpoint"] = "centerpoint"
    image_px: int = Field(default=256, ge=32, multiple_of=32, description="side of the square that pictures are fitted into")
    width: int = Field(default=32, ge=8, multiple_of=8, description="channels at a quarter of the size; more: slower, better")


def conv(inside: int, outside: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """Convolution, batch norm, SiLU."""
    layer = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outside), nn.SiLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w), unchanged in shape."""
        return x + self.second(self.first(x))  # type: ignore[no-any-return]


class CenterPoint(Detector):
    """Down to 1/16 of the size and up to 1/4 again, adding what was seen on the way down; then heat map and boxes."""

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str]) -> None:
        super().__init__(config, classes)
        parsed = CenterPointConfig.model_validate(config)
        self.image_px, width = parsed.image_px, parsed.width
        self.stem = nn.Sequential(conv(3, width // 2, 2), conv(width // 2, width, 2))
        self.eighth = nn.Sequential(conv(width, 2 * width, 2), Residual(2 * width))
        self.sixteenth = nn.Sequential(conv(2 * width, 4 * width, 2), Residual(4 * width), Residual(4 * width))
        self.from_sixteenth = conv(4 * width, 2 * width, size=1)
        self.at_eighth = conv(2 * width, 2 * width)
        self.from_eighth = conv(2 * width, width, size=1)
        self.at_quarter = conv(width, 2 * width)
        self.head = nn.Conv2d(2 * width, len(self.classes) + 4, 1)
        with torch.no_grad():
            self.head.bias[:-4] = -4.0  # type: ignore[index]  # 2 % at the start: keeps the focal loss calm
            self.head.bias[-4:] = 1.0  # type: ignore[index]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Heat logits (N, C, h, w) and boxes (N, 4, h, w) in pixels, at a quarter of the images' size."""
        quarter = self.stem((images - 0.45) / 0.25)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        eighth = self.at_eighth(eighth + functional.interpolate(self.from_sixteenth(sixteenth), scale_factor=2.0))
        read = self.head(self.at_quarter(quarter + functional.interpolate(self.from_eighth(eighth), scale_factor=2.0))).float()
        return read[:, :-4], heatmap.boxes_from_distances(functional.softplus(read[:, -4:]) * 8)

    def loss(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """`centre`: focal loss of the heat map; `box`: 1 - GIoU around the true centres, per box."""
        logits, found = self(images)
        height, width = logits.shape[2:]
        made = [heatmap.encode(b, c, len(self.classes), height, width) for b, c in zip(boxes, labels, strict=True)]
        heat, taught, weight = (torch.stack([getattr(one, name) for one in made]) for name in ("heat", "boxes", "weight"))
        at = weight > 0
        box = (1 - generalised_iou(found.permute(0, 2, 3, 1)[at], taught.permute(0, 2, 3, 1)[at])) * weight[at]
        return {"centre": heatmap.focal_loss(logits, heat), "box": 2 * box.sum() / weight.sum().clamp(min=1e-6)}

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, boxes = self(images)
        return heatmap.decode(logits.float().sigmoid(), boxes, MOST_DETECTIONS)
