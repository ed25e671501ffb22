"""What every detector family offers, so that the steps need not know which one they hold."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from include.artifacts import Detection


class Detector(nn.Module, ABC):
    """A detector of boxes of `classes`, on whatever device its parameters are.

    Built from a plain mapping (`config`) that is kept in every checkpoint and bundle: the mapping and a state dict are all
    that is needed to build it again.
    """

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str]) -> None:
        super().__init__()
        self.config = dict(config)
        self.classes = tuple(classes)

    @abstractmethod
    def loss(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Scalar losses by name, to be added up. Images (N, 3, H, W) float in 0…1; boxes N × (M, 4) x0 y0 x1 y1 in
        pixels of those images; labels N × (M,) long, 0 for the first class."""

    @abstractmethod
    def detect(self, images: Sequence[Image.Image], min_score: float = 0.05, max_detections: int = 100) -> list[list[Detection]]:
        """Detections per image, best first; boxes in pixels of the image as given, inside its edges."""

    @abstractmethod
    def export_onnx(self, path: Path) -> None:
        """One self-contained ONNX file that gives boxes, scores and labels (include/detector/onnx_inference.py runs it)."""

    def weights(self) -> bytes:
        """The state dict, as a file's bytes."""
        out = io.BytesIO()
        torch.save({name: value.cpu() for name, value in self.state_dict().items()}, out)
        return out.getvalue()

    def load_weights(self, data: bytes) -> None:
        """Raises RuntimeError where names or shapes differ."""
        self.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
