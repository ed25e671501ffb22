"""How fast weights move: the learning rate over a training, and which weights decay."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from tasks.train_detector.config import TrainDetectorConfig

FLOOR = 0.02  # share of the peak at the very end


def learning_rate_at(progress: float, config: TrainDetectorConfig) -> float:
    """At `progress` 0…1 of the training: a straight rise over `warmup`, then half a cosine down to FLOOR of the peak.

    A function of the progress alone: a resumed training needs no scheduler's state.
    """
    if progress < config.warmup:
        return config.learning_rate * max(progress / config.warmup, FLOOR)
    down = (progress - config.warmup) / (1 - config.warmup)
    return config.learning_rate * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * down)) / 2)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; biases and the scales of norms do not."""
    teachable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in teachable if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in teachable if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
