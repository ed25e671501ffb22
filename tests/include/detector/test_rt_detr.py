from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from include.detector.base import Detector
from include.detector.families import build_detector
from include.detector.onnx_inference import OnnxDetector
from include.errors import ConfigError

CLASSES = ("Tree", "Bush")
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
BOXES = [torch.tensor([[4.0, 4, 30, 40]]), torch.zeros(0, 4)]
LABELS = [torch.tensor([1]), torch.zeros(0, dtype=torch.long)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    return build_detector({"family": "rt_detr_v2", "image_px": 64, "size": "tiny"}, CLASSES)


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 80, 3), dtype=np.uint8))


def test_a_few_steps_lower_the_loss(detector: Detector) -> None:
    detector.train()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss = torch.stack(list(detector.loss(IMAGES, BOXES, LABELS).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_built_again_from_its_kept_configuration_it_finds_the_same(detector: Detector) -> None:
    kept = json.loads(json.dumps(detector.config))
    again = build_detector(kept, CLASSES)
    again.load_weights(detector.weights())
    found = detector.detect([picture()], 0.0)
    assert found[0]
    assert again.detect([picture()], 0.0) == found
    assert again.config == kept


def test_published_weights_start_from_a_local_folder(detector: Detector, tmp_path: Path) -> None:
    detector.network.save_pretrained(tmp_path)  # type: ignore[operator, union-attr]
    started = build_detector({"family": "rt_detr_v2", "image_px": 64, "pretrained": str(tmp_path)}, CLASSES)
    assert started.detect([picture()], 0.0) == detector.detect([picture()], 0.0)
    assert "pretrained" not in started.config  # later steps need neither folder nor network


def test_missing_pretrained_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"detector\.pretrained: got '.*nowhere'"):
        build_detector({"family": "rt_detr_v2", "pretrained": f"{tmp_path}/nowhere"}, CLASSES)


def test_onnx_file_finds_the_same(detector: Detector, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in detector.parameters():  # untrained queries tie, and ties may fall either way
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    detector.export_onnx(tmp_path / "detector.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["detector.onnx"]
    expected = detector.detect([picture()], 0.0)[0]
    for found in OnnxDetector(tmp_path / "detector.onnx").detect([picture()] * 2, 0.0):
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
        assert found[0].box_xyxy_px == pytest.approx(expected[0].box_xyxy_px, abs=0.01)
