"""The cost of machine time, by include/prices.yaml."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import yaml

from include.artifacts.base import Cost, Frozen


class Prices(Frozen):
    """Per hour, in `currency`. A step pays for its machine, and for each GPU that it can see."""

    currency: str
    cpu_machine_per_hour: float
    gpu_per_hour: float


@cache
def read_prices() -> Prices:
    return Prices.model_validate(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text()))


def gpus_visible(devices: Path = Path("/dev")) -> int:
    """GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES says; it may name some that are not there."""
    present = len(list(devices.glob("nvidia[0-9]*")))
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return min(present, len([one for one in listed.split(",") if one.strip() not in ("", "-1")]))
    return present


def cost_of(duration_s: float, gpus: int) -> Cost:
    prices = read_prices()
    per_hour = prices.cpu_machine_per_hour + gpus * prices.gpu_per_hour
    return Cost(amount=round(duration_s / 3600 * per_hour, 6), currency=prices.currency)
