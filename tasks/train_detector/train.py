"""The training itself: pictures in, weights out. It knows no store, no MLflow and no Airflow, and can stop anywhere."""

from __future__ import annotations

import copy
import io
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from include.detector.base import Detector
from include.detector.pictures import Picture
from include.detector.precision import average_precision_50
from include.errors import StepError
from tasks.train_detector.averaging import AveragedWeights
from tasks.train_detector.config import TrainDetectorConfig
from tasks.train_detector.loader import Batch, TrainingPictures, batches_of, loader
from tasks.train_detector.schedule import learning_rate_at, parameter_groups

log = logging.getLogger("train_detector")


@dataclass(frozen=True)
class Epoch:
    """One line of the learning curve. `ap50` is of the averaged weights on the val split; None without one."""

    epoch: int
    loss: float
    learning_rate: float
    ap50: float | None
    images_per_s: float


@dataclass
class Progress:
    """Where a training stands: all of it but the tensors."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the next one
    elapsed_s: float = 0.0  # in training and validation, tries that were killed included (as far as their work was saved)
    best_epoch: int = 0
    best_ap50: float | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)


def cpu_copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


class Training:
    """A training that can be saved between any two batches, and goes on from there as if nothing had happened.

    `save` takes the state's bytes; it is called at most every `config.save_every_s` and at the end. `report` takes each
    finished epoch. On a CPU, an interrupted and an uninterrupted training give the same weights.
    """

    def __init__(
        self, detector: Detector, train: Sequence[Picture], val: Sequence[Picture], config: TrainDetectorConfig,
        save: Callable[[bytes], None] = lambda state: None, report: Callable[[Epoch], None] = lambda epoch: None,
    ) -> None:  # fmt: skip
        self.config, self.val, self.save, self.report = config, list(val), save, report
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # channels last: 1.4 times as fast on a CPU, and what a GPU's tensor cores want
        self.detector = detector.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = TrainingPictures(train, detector.image_px, config.augmentation, config.seed)
        self.batches_per_epoch = len(batches_of(len(train), config.batch_size, config.seed, 0))
        self.optimizer = torch.optim.AdamW(parameter_groups(detector, config.weight_decay), lr=config.learning_rate)
        self.average = AveragedWeights(detector, config.ema)
        self.best_weights: dict[str, Tensor] = {}
        self.progress = Progress()
        self.loss = MeanMetric().to(self.device)
        self.loss.persistent(True)
        self.saved_at = self.logged_at = self.counted_at = time.monotonic()
        torch.manual_seed(config.seed)

    def state(self) -> bytes:
        """Everything that the next batch depends on."""
        self._count_time()
        out = io.BytesIO()
        torch.save({
            "detector": self.detector.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "best_weights": self.best_weights, "progress": asdict(self.progress), "loss": self.loss.state_dict(),
            "rng": torch.get_rng_state(), "cuda_rng": torch.cuda.get_rng_state_all(),
        }, out)  # fmt: skip
        return out.getvalue()

    def restore(self, state: bytes) -> None:
        """Go on from what `state` gave."""
        kept = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        self.detector.load_state_dict(kept["detector"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.average.load_state_dict(kept["average"])
        self.best_weights, self.progress = kept["best_weights"], Progress(**kept["progress"])
        self.loss.load_state_dict(kept["loss"])
        torch.set_rng_state(kept["rng"])
        if len(kept["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(kept["cuda_rng"])

    def run(self) -> None:
        """Train what is left of the epochs. Afterwards `best_weights` and `average` hold the result.

        Raises StepError where the loss is no longer a number, or the GPU's memory does not suffice.
        """
        self.counted_at = time.monotonic()
        try:
            while self.progress.epoch < self.config.epochs:
                self._epoch()
        except torch.OutOfMemoryError:
            raise StepError(
                f"out of GPU memory with batch_size {self.config.batch_size} and image_px {self.detector.image_px}: "
                f"lower batch_size (half of it is a good try), or image_px"
            ) from None
        self.save(self.state())

    def _epoch(self) -> None:
        """The rest of the epoch, its validation and its line in the curve."""
        at, config = self.progress, self.config
        batches = batches_of(len(self.data), config.batch_size, config.seed, at.epoch)[at.batch :]
        started, images = time.monotonic(), 0
        for batch in loader(self.data, at.epoch, batches, config.loader_workers):
            self._step(batch)
            images += len(batch[0])
            at.batch += 1
            self._now_and_then(images / (time.monotonic() - started))
        speed = images / max(time.monotonic() - started, 1e-9)
        ap50 = self._validate()
        at.epoch, at.batch = at.epoch + 1, 0
        if ap50 is None or at.best_ap50 is None or ap50 >= at.best_ap50:
            at.best_epoch, at.best_ap50, self.best_weights = at.epoch, ap50, cpu_copy(self.average.values)
        done = Epoch(at.epoch, float(self.loss.compute()), self._learning_rate(), ap50, round(speed, 1))
        self.loss.reset()
        at.curve.append(asdict(done))
        self.report(done)
        self._now_and_then(speed)

    def _learning_rate(self) -> float:
        step = self.progress.epoch * self.batches_per_epoch + self.progress.batch
        return learning_rate_at(step / (self.config.epochs * self.batches_per_epoch), self.config)

    def _step(self, batch: Batch) -> None:
        """One step of the optimiser."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        images = batch[0].to(self.device, memory_format=torch.channels_last)
        boxes, labels = ([one.to(self.device) for one in part] for part in batch[1:])
        self.detector.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = torch.stack(list(self.detector.loss(images, boxes, labels).values())).sum()
        if not torch.isfinite(loss):
            raise StepError(
                f"the loss is {loss.item()} in epoch {self.progress.epoch + 1}, batch {self.progress.batch + 1}: lower "
                f"learning_rate (it is {self.config.learning_rate:g}) or clip_norm, and start a new run"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.detector.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.average.update(self.detector)
        self.loss.update(loss.detach(), len(images))

    def _count_time(self) -> None:
        now = time.monotonic()
        self.progress.elapsed_s += now - self.counted_at
        self.counted_at = now

    def averaged(self, weights: dict[str, Tensor] | None = None) -> Detector:
        """A copy of the detector with the averaged weights, or with the given ones."""
        made: Detector = copy.deepcopy(self.detector)
        made.load_state_dict(self.average.values if weights is None else weights)
        return made.eval()

    def _validate(self) -> float | None:
        """AP50 of the averaged weights on the val split; None where it has no labels."""
        if not any(len(picture.labels) for picture in self.val):
            return None
        found = self.averaged().detect([picture.open() for picture in self.val], min_score=0.01)
        return average_precision_50(self.val, found, self.detector.classes)

    def _now_and_then(self, images_per_s: float) -> None:
        """Save and log, when it is time."""
        at, now = self.progress, time.monotonic()
        if now - self.saved_at >= self.config.save_every_s:
            self.save(self.state())
            self.saved_at = time.monotonic()
        if now - self.logged_at >= self.config.log_every_s or at.epoch == self.config.epochs:
            left = (self.config.epochs - at.epoch) * len(self.data) - at.batch * self.config.batch_size
            loss = float(self.loss.compute()) if at.batch else at.curve[-1]["loss"]
            ap50 = f"  ap50 {at.curve[-1]['ap50']:.3f}" if at.curve and at.curve[-1]["ap50"] is not None else ""
            epoch = f"{min(at.epoch + 1, self.config.epochs)}/{self.config.epochs}"
            eta_s = left / max(images_per_s, 1e-9)
            log.info("epoch %s  loss %.3f%s  %.0f img/s  eta %.0f s", epoch, loss, ap50, images_per_s, eta_s)
            self.logged_at = now
