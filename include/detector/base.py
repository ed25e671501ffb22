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
from include.detector.letterbox import letterboxed
from include.detector.onnx_export import export
from include.detector.onnx_inference import Found, as_detections, kept

MOST_DETECTIONS = 100  # per picture: as many as COCO metrics look at
IMAGES_AT_ONCE = 16  # bounds the memory; larger batches are no faster on a CPU


class Detector(nn.Module, ABC):
    """A detector of boxes of `classes`, on whatever device its parameters are. It sees squares of `image_px`.

    Built from a plain mapping (`config`) that is kept in every checkpoint and bundle: the mapping and a state dict are all
    that is needed to build it again (include/detector/families.py).
    """

    image_px: int

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str]) -> None:
        super().__init__()
        self.config = dict(config)
        self.classes = tuple(classes)

    @abstractmethod
    def loss(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Scalar losses by name, to be added up. Images (N, 3, H, W) float in 0…1; boxes N × (M, 4) x0 y0 x1 y1 in
        pixels of those images; labels N × (M,) long, 0 for the first class.
        """

    @abstractmethod
    def decode(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Squares (N, 3, image_px, image_px) in 0…1 → boxes (N, K, 4) x0 y0 x1 y1 in pixels of the square, scores (N, K)
        falling, labels (N, K) long. K is at most MOST_DETECTIONS.
        """

    @torch.inference_mode()
    def detect(self, images: Sequence[Image.Image], min_score: float = 0.05, max_detections: int = 100) -> list[list[Detection]]:
        """Detections per image, best first; boxes in pixels of the image as given, inside its edges. Images of any size.
        At most MOST_DETECTIONS per image. The training mode is left as it was.
        """
        was_training, device = self.training, next(self.parameters()).device
        self.eval()
        try:
            found: list[Found] = []
            for start in range(0, len(images), IMAGES_AT_ONCE):
                squares = torch.from_numpy(letterboxed(images[start : start + IMAGES_AT_ONCE], self.image_px))
                found += zip(*(one.cpu().numpy() for one in self.decode(squares.to(device))), strict=True)
        finally:
            self.train(was_training)
        return [
            as_detections(kept(one, image.size, self.image_px, min_score, max_detections), self.classes)
            for one, image in zip(found, images, strict=True)
        ]

    def export_onnx(self, path: Path) -> None:
        """One self-contained ONNX file that gives boxes, scores and labels (include/detector/onnx_inference.py runs it)."""
        export(self, path)

    def weights(self) -> bytes:
        """The state dict, as a file's bytes."""
        out = io.BytesIO()
        torch.save({name: value.cpu() for name, value in self.state_dict().items()}, out)
        return out.getvalue()

    def load_weights(self, data: bytes) -> None:
        """Raises RuntimeError where names or shapes differ."""
        self.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
