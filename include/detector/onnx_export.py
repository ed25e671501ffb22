"""A detector as one ONNX file: the network and the reading of its output in one graph, its metadata inside."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch
from torch import Tensor, nn

from include.detector.onnx_inference import METADATA

if TYPE_CHECKING:
    from include.detector.base import Detector

OPSET = 18


class Decoded(nn.Module):
    """The detector with `decode` as its forward."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As Detector.decode."""
        return self.detector.decode(images)


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """The tracing exporter is marked as legacy, but takes 0.5 s of CPU where the one that follows it takes 15 (torch 2.13), and
    writes one file. Its warnings that sizes become constants are true and meant: squares have one size.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        yield


def export(detector: Detector, path: Path) -> None:
    """Write `path`: input `images` (N, 3, image_px, image_px) in 0…1; outputs `boxes`, `scores`, `labels`; N is free."""
    was_training, device = detector.training, next(detector.parameters()).device
    detector.eval().cpu()
    example = torch.zeros(2, 3, detector.image_px, detector.image_px)
    try:
        with quiet_tracing():
            torch.onnx.export(
                Decoded(detector).eval(), (example,), str(path), dynamo=False, opset_version=OPSET,
                input_names=["images"], output_names=["boxes", "scores", "labels"],
                dynamic_axes={name: {0: "n"} for name in ("images", "boxes", "scores", "labels")},
            )  # fmt: skip
    finally:
        detector.to(device).train(was_training)
    model = onnx.load_model(str(path))
    about = {"classes": list(detector.classes), "image_px": detector.image_px}
    onnx.helper.set_model_props(model, {METADATA: json.dumps(about)})
    onnx.save_model(model, str(path), save_as_external_data=False)
