"""Starting from what the champion learned, where it fits."""

from __future__ import annotations

from dataclasses import dataclass

from include.artifacts import Bundle, Checkpoint
from include.champion import frozen_champion
from include.detector.base import Detector
from include.step.run import StepRun
from tasks.train_detector.config import TrainDetectorConfig


@dataclass(frozen=True)
class Start:
    """Where the weights come from: the champion's bundle card (None: from nothing), and why, for people."""

    bundle: str | None
    why: str


def warm_start(step: StepRun[TrainDetectorConfig], detector: Detector) -> Start:
    """Loads the weights of the champion that this run froze into `detector`, if classes and configuration are the same."""
    if step.config.warm_start == "none":
        return Start(None, "from scratch, as configured")
    champion = frozen_champion(step, step.config.model)
    if champion is None:
        return Start(None, "from scratch: there is no champion yet")
    bundle = step.card_at("champion", Bundle, champion.bundle)
    checkpoint = step.card_at("champion_checkpoint", Checkpoint, bundle.checkpoint)
    name = f"champion {step.config.model}@{champion.version}"
    for what, got, expected in (
        ("classes", checkpoint.classes, detector.classes),
        ("detector", checkpoint.detector, detector.config),
    ):
        if got != expected:
            return Start(None, f"from scratch: the {what} of {name} are {got}, this training's are {expected}")
    detector.load_weights(step.content.get(checkpoint.best_weights))
    return Start(champion.bundle, f"from {name}, trained on {checkpoint.dataset}")
