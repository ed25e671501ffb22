"""The champion as a run met it: frozen, so that every step and every retry of the run compares with the same model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from include.lineage import Champion, Lineage
from include.step.run import StepRun


def frozen_champion(step: StepRun[Any], model: str, lineage: Lineage | None = None) -> Champion | None:
    """Who served `model` when this run first asked; None when nobody did. Raises ConfigError without MLFLOW_TRACKING_URI.

    Kept in the run's folder as `{"version": "1", "bundle": "<key of the bundle card>"}`, or `null`.
    """

    def ask() -> str:
        champion = (lineage or Lineage()).champion(model)
        return json.dumps(asdict(champion) if champion else None)

    frozen = json.loads(step.freeze(f"model://{model}@champion", ask))
    return Champion(**frozen) if frozen else None
