"""Averaged weights (EMA): smoother than those of any single step, and what is validated and kept."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class AveragedWeights:
    """An exponential moving average of a network's weights and buffers. Young averages forget faster, so that the random
    start does not weigh on a short training.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """After each step of the optimiser."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    def state_dict(self) -> dict[str, object]:
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        values: dict[str, Tensor] = state["values"]  # type: ignore[assignment]
        for name, value in values.items():
            self.values[name].copy_(value)
