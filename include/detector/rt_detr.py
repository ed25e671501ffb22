"""RT-DETRv2 of `transformers` (Lv et al. 2024, arXiv:2407.17140), for GPUs: a ResNet and a transformer, no NMS, Apache-2.0.

Configured either by `pretrained`, a hub id such as PekingU/rtdetr_v2_r18vd or a local folder, whose weights are the start,
or by `size`, which starts from random weights. What is kept in checkpoints is the resolved `architecture`: later steps build
the detector from it without a network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

from include.detector.base import MOST_DETECTIONS, Detector
from include.errors import ConfigError

# What the published models of these sizes have; `tiny` is for tests and for trying things out.
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tiny": (
        {"hidden_sizes": [16, 32, 48, 64], "embedding_size": 16, "depths": [1, 1, 1, 1], "layer_type": "basic"},
        {"d_model": 64, "encoder_hidden_dim": 64, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "decoder_layers": 2,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_queries": 60, "num_denoising": 20},
    ),
    "r18": (
        {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "layer_type": "basic"},
        {"hidden_expansion": 0.5, "decoder_layers": 3},
    ),
    "r50": ({}, {}),
}  # fmt: skip


class RtDetrV2Config(BaseModel):
    """What builds the network. One of `size`, `pretrained` and `architecture` is enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["rt_detr_v2"]
    image_px: int = Field(default=640, ge=64, multiple_of=32, description="side of the square that pictures are fitted into")
    size: Literal["tiny", "r18", "r50"] = Field(default="r18", description="backbone, as the published models are named")
    pretrained: str | None = Field(default=None, description="hub id or local folder of RT-DETRv2 weights to start from")
    architecture: dict[str, Any] | None = Field(default=None, description="a transformers configuration, as checkpoints keep it")

    @model_validator(mode="after")
    def _one_origin(self) -> RtDetrV2Config:
        if self.pretrained and self.architecture:
            raise ValueError("give pretrained or architecture, not both")
        return self


def from_size(size: str, classes: int) -> RTDetrV2Config:
    """A transformers configuration with random weights in mind: its backbone's batch norms learn."""
    backbone, rest = SIZES[size]
    resnet = RTDetrResNetConfig(**backbone, out_indices=[2, 3, 4])  # type: ignore[call-arg]  # one of its own keywords
    channels = {"encoder_in_channels": resnet.hidden_sizes[1:], "decoder_in_channels": [rest.get("encoder_hidden_dim", 256)] * 3}
    settings: dict[str, Any] = {**channels, **rest, "num_labels": classes, "freeze_backbone_batch_norms": False}
    return RTDetrV2Config(backbone_config=resnet, **settings)


def load_pretrained(name: str, classes: int) -> RTDetrV2ForObjectDetection:
    """Published weights; the class heads start anew where the number of classes differs. Raises ConfigError."""
    try:
        return RTDetrV2ForObjectDetection.from_pretrained(name, num_labels=classes, ignore_mismatched_sizes=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"detector.pretrained: got {name!r}, expected a hub id or a folder of RT-DETRv2 weights: {reason}"
        ) from None


class RtDetrV2(Detector):
    """The transformers model behind the detector interface."""

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str]) -> None:
        super().__init__(config, classes)
        parsed = RtDetrV2Config.model_validate(config)
        self.image_px = parsed.image_px
        if parsed.pretrained:
            self.network = load_pretrained(parsed.pretrained, len(self.classes))
        elif parsed.architecture:
            self.network = RTDetrV2ForObjectDetection(RTDetrV2Config.from_dict(parsed.architecture))
        else:
            self.network = RTDetrV2ForObjectDetection(from_size(parsed.size, len(self.classes)))
        architecture = json.loads(self.network.config.to_json_string(use_diff=False))  # as it comes back from a card
        self.config = {"family": parsed.family, "image_px": parsed.image_px, "architecture": architecture}

    def loss(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """`detr`: classes, boxes and GIoU of matched queries, of every decoder layer and of the denoising queries, weighted."""
        side = images.new_tensor([images.shape[3], images.shape[2]])
        targets = []
        for box, label in zip(boxes, labels, strict=True):
            centre, size = (box[:, :2] + box[:, 2:]) / 2 / side, (box[:, 2:] - box[:, :2]) / side
            targets.append({"class_labels": label, "boxes": torch.cat([centre, size], dim=1)})
        return {"detr": self.network(pixel_values=images, labels=targets).loss}

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        read = self.network(pixel_values=images)
        scores, index = read.logits.float().sigmoid().flatten(1).topk(self._most, dim=1)
        centre, size = read.pred_boxes.float()[..., :2], read.pred_boxes.float()[..., 2:]
        boxes = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * self.image_px
        query = torch.div(index, len(self.classes), rounding_mode="floor")
        return boxes.gather(1, query[:, :, None].expand(-1, -1, 4)), scores, index % len(self.classes)

    @property
    def _most(self) -> int:
        return min(MOST_DETECTIONS, int(self.network.config.num_queries) * len(self.classes))
