"""A detector as one ONNX file: the network and the reading of its output in one graph, its metadata inside."""

from __future__ import annotations

import json
import logging
import os
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
def quiet_exporter() -> Iterator[None]:
    """Torch 2.13's exporter warns of its own deprecated calls, and that there is no torchvision: neither is ours to mend.

    The shape checks of transformers' models are switched off, by its own variable: ONNX has no operator for them.
    """
    checks, before = "TRANSFORMERS_DISABLE_TORCH_CHECK", os.environ.get("TRANSFORMERS_DISABLE_TORCH_CHECK")
    os.environ[checks] = "1"
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*treespec, LeafSpec", FutureWarning)
            yield
    finally:
        log.setLevel(level)
        os.environ.pop(checks)
        if before is not None:
            os.environ[checks] = before


def export(detector: Detector, path: Path) -> None:
    """Write `path`: input `images` (N, 3, image_px, image_px) in 0…1; outputs `boxes`, `scores`, `labels`.

    N is detector.onnx_images.
    """
    was_training = detector.training
    device = next(detector.parameters()).device
    detector.eval().cpu()
    free = detector.onnx_images is None
    example = torch.zeros(detector.onnx_images or 2, 3, detector.image_px, detector.image_px)
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                Decoded(detector).eval(), (example,), None, dynamo=True, opset_version=OPSET, verbose=False,
                input_names=["images"], output_names=["boxes", "scores", "labels"],
                dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1024)},) if free else None,
            )  # fmt: skip
    finally:
        detector.to(device).train(was_training)
    assert program is not None  # with dynamo and without a path it always gives one
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.ClearField("metadata_props")  # stack traces: with this machine's paths the file would differ on every machine
    about = {"classes": list(detector.classes), "image_px": detector.image_px}
    onnx.helper.set_model_props(model, {METADATA: json.dumps(about)})
    onnx.save_model(model, str(path), save_as_external_data=False)
