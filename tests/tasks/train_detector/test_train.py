from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from include.detector.augment import Augmentation
from include.detector.families import build_detector
from include.detector.pictures import Picture, read_split
from include.errors import StepError
from include.storage import ContentStore, open_store
from tasks.train_detector.config import TrainDetectorConfig
from tasks.train_detector.loader import batches_of
from tasks.train_detector.schedule import learning_rate_at
from tasks.train_detector.train import Epoch, Training
from tests.include.detector.shapes import CLASSES, put_shapes

Pictures = dict[str, list[Picture]]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    folder = tmp_path_factory.mktemp("shapes")
    store = open_store(f"file://{folder}/store")
    version = put_shapes(store, {"train": 24, "val": 8})
    return {split: read_split(version, ContentStore(store), split, folder / split) for split in ("train", "val")}


def config(**changes: Any) -> TrainDetectorConfig:
    small = {"model": "shapes", "image_px": 64, "detector": {"width": 8}, "epochs": 3, "save_every_s": 0, "batch_size": 8}
    return TrainDetectorConfig.model_validate(small | changes)


def training(shapes: Pictures, settings: TrainDetectorConfig, **callbacks: Callable[[Any], None]) -> Training:
    torch.manual_seed(settings.seed)
    return Training(build_detector(settings.detector_config, CLASSES), shapes["train"], shapes["val"], settings, **callbacks)


def test_it_learns_to_find_shapes_that_it_has_not_seen(shapes: Pictures) -> None:
    curve: list[Epoch] = []
    made = training(shapes, config(epochs=25, batch_size=4, learning_rate=5e-3, save_every_s=1e9), report=curve.append)
    made.run()
    assert [epoch.epoch for epoch in curve] == list(range(1, 26))
    assert curve[-1].loss < curve[0].loss / 2
    assert made.progress.best_ap50 == max(epoch.ap50 or 0 for epoch in curve)
    assert made.progress.best_ap50 > 0.8


@pytest.mark.parametrize("stop_after", [1, 4, 6], ids=["in the first epoch", "in the second", "between epochs"])
def test_a_resumed_training_gives_the_same_weights(shapes: Pictures, stop_after: int) -> None:
    class Stop(Exception):
        pass

    saved: list[bytes] = []

    def save_and_stop(state: bytes) -> None:
        saved.append(state)
        if len(saved) == stop_after:
            raise Stop

    settings = config(augmentation={"mosaic": 0.5, "turn": True})
    undisturbed = training(shapes, settings)
    undisturbed.run()
    stopped = training(shapes, settings, save=save_and_stop)
    resumed = training(shapes, settings)
    started = time.monotonic()
    with pytest.raises(Stop):
        stopped.run()
    resumed.restore(saved[-1])
    resumed.run()
    took_s = time.monotonic() - started
    assert 0.5 * took_s < resumed.progress.elapsed_s <= took_s
    assert same(resumed.average.values, undisturbed.average.values)
    assert same(resumed.best_weights, undisturbed.best_weights)
    assert same(resumed.detector.state_dict(), undisturbed.detector.state_dict())
    assert [line["loss"] for line in resumed.progress.curve] == [line["loss"] for line in undisturbed.progress.curve]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_workers_load_the_same_pictures(shapes: Pictures) -> None:
    alone, helped = (training(shapes, config(epochs=1, loader_workers=workers)) for workers in (0, 1))
    alone.run()
    helped.run()
    assert same(alone.average.values, helped.average.values)


def test_another_seed_gives_other_weights(shapes: Pictures) -> None:
    one, other = (training(shapes, config(epochs=1, seed=seed)) for seed in (1, 2))
    one.run()
    other.run()
    assert not same(one.average.values, other.average.values)


def test_loss_that_is_no_number_ends_with_advice(shapes: Pictures) -> None:
    made = training(shapes, config())
    with torch.no_grad():
        next(made.detector.parameters()).fill_(float("nan"))
    with pytest.raises(StepError, match=r"the loss is nan in epoch 1, batch 1: lower learning_rate"):
        made.run()


def test_out_of_memory_says_what_to_lower(shapes: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    made = training(shapes, config())

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made.detector, "loss", full)
    with pytest.raises(StepError, match="out of GPU memory with batch_size 8 and image_px 64: lower batch_size"):
        made.run()


def test_without_val_labels_the_last_epoch_is_the_best(shapes: Pictures) -> None:
    made = training({"train": shapes["train"], "val": []}, config(epochs=2))
    made.run()
    assert (made.progress.best_epoch, made.progress.best_ap50) == (2, None)
    assert same(made.best_weights, made.average.values)


def test_log_has_one_line_at_the_end_of_a_short_training(shapes: Pictures, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "train_detector"):
        training(shapes, config(log_every_s=1e9)).run()
    assert [record.message.split("  ")[0] for record in caplog.records] == ["epoch 3/3"]
    assert "img/s" in caplog.text


@pytest.mark.parametrize(
    ("pictures", "batch_size", "sizes"), [(7, 3, [3, 4]), (6, 3, [3, 3]), (8, 3, [3, 3, 2]), (1, 4, [1]), (5, 2, [2, 3])]
)
def test_no_batch_of_one_but_alone(pictures: int, batch_size: int, sizes: list[int]) -> None:
    batches = batches_of(pictures, batch_size, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(index for batch in batches for index in batch) == list(range(pictures))


def test_learning_rate_rises_then_falls() -> None:
    settings = config(learning_rate=1.0, warmup=0.1)
    rates: Sequence[float] = [learning_rate_at(progress, settings) for progress in (0.0, 0.05, 0.1, 0.55, 1.0)]
    # half way of the cosine: 0.02 + 0.98 / 2
    assert rates == pytest.approx([0.02, 0.5, 1.0, 0.51, 0.02])


def test_augmentation_off_is_a_setting() -> None:
    assert config(augmentation=Augmentation.none().model_dump()).augmentation == Augmentation.none()
