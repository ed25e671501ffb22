"""Batches of augmented pictures. Which pictures, in which order, with which augmentation follows from (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from include.detector.augment import Augmentation, Labelled, varied
from include.detector.pictures import Picture

Sample = tuple[Tensor, Tensor, Tensor]
Batch = tuple[Tensor, list[Tensor], list[Tensor]]
DECODED_PICTURES = 512  # kept in memory, per worker


class TrainingPictures(Dataset[Sample]):
    """The training split as epoch `epoch` sees it."""

    def __init__(self, pictures: Sequence[Picture], image_px: int, augmentation: Augmentation, seed: int) -> None:
        self.pictures, self.image_px, self.augmentation, self.seed = pictures, image_px, augmentation, seed
        self.epoch = 0
        self._read = lru_cache(DECODED_PICTURES)(self._open)

    def __len__(self) -> int:
        return len(self.pictures)

    def _open(self, index: int) -> Labelled:
        picture = self.pictures[index]
        teaches = ~picture.crowd
        return Labelled(picture.open(), picture.boxes_xyxy_px[teaches], picture.labels[teaches])

    def __getitem__(self, index: int) -> Sample:
        """Image (3, image_px, image_px) in 0…1, boxes (M, 4) px of it, labels (M,)."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        mosaic = rng.random() < self.augmentation.mosaic
        others = [self._read(int(other)) for other in rng.integers(len(self), size=3)] if mosaic else []
        image, boxes, labels = varied(self._read(index), others, self.augmentation, self.image_px, rng)
        return torch.from_numpy(image), torch.from_numpy(boxes), torch.from_numpy(labels)


def batches_of(pictures: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """All indices once, shuffled; the last batch is joined to the one before if it were a single picture: too few for
    batch norm.
    """
    order = np.random.default_rng((seed, epoch)).permutation(pictures).tolist()
    batches = [order[start : start + batch_size] for start in range(0, pictures, batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [batches[-2] + batches[-1]]
    return batches


def collate(samples: Sequence[Sample]) -> Batch:
    """Images (N, 3, S, S), and per image its boxes and labels."""
    images, boxes, labels = zip(*samples, strict=True)
    return torch.stack(images), list(boxes), list(labels)


def loader(dataset: TrainingPictures, epoch: int, batches: list[list[int]], workers: int) -> DataLoader[Sample]:
    """The given batches of an epoch."""
    dataset.epoch = epoch
    return DataLoader(dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers)
