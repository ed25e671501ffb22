"""Pictures as training sees them: another cut, size, turn and light each time. Boxes follow; numpy and Pillow.

Every random choice comes from the generator that is passed in, so the same (seed, epoch, picture) gives the same bytes,
however many workers load, and whether or not the training was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from include.detector.letterbox import GREY, fitted_size_px

MIN_VISIBLE = 0.35  # share of a box's area that must stay in the cut for it to teach


class Augmentation(BaseModel):
    """How much training pictures vary. Everything off: pictures as validation sees them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = Field(default=True, description="mirror left and right, half of the time")
    turn: bool = Field(default=False, description="turn by 0, 90, 180 or 270° and flip, where pictures have no up")
    scale: tuple[float, float] = Field(default=(0.8, 1.25), description="factor on the size, drawn evenly in its logarithm")
    colour: float = Field(default=0.25, ge=0, lt=1, description="brightness, contrast and saturation vary by up to ± this share")
    mosaic: float = Field(default=0.0, ge=0, le=1, description="chance to cut from four pictures laid side by side")

    @classmethod
    def none(cls) -> Augmentation:
        return cls(flip=False, turn=False, scale=(1, 1), colour=0, mosaic=0)


@dataclass(frozen=True)
class Labelled:
    """A picture with its boxes (M, 4) x0 y0 x1 y1 px and labels (M,)."""

    image: Image.Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def fitted(one: Labelled, image_px: int) -> Labelled:
    """Its longer side at `image_px`."""
    size = fitted_size_px(*one.image.size, image_px)
    factor = np.array([size[0] / one.image.width, size[1] / one.image.height] * 2, np.float32)
    return Labelled(one.image.resize(size, Image.Resampling.BILINEAR), one.boxes * factor, one.labels)


def mirrored(one: Labelled) -> Labelled:
    """Left and right swapped."""
    boxes = one.boxes.copy()
    boxes[:, [0, 2]] = one.image.width - one.boxes[:, [2, 0]]
    return Labelled(one.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), boxes, one.labels)


def turned(one: Labelled) -> Labelled:
    """By 90° against the clock: what was at the right is at the top."""
    x0, y0, x1, y1 = one.boxes.T
    boxes = np.stack([y0, one.image.width - x1, y1, one.image.width - x0], axis=1)
    return Labelled(one.image.transpose(Image.Transpose.ROTATE_90), boxes, one.labels)


def side_by_side(four: Sequence[Labelled], image_px: int) -> Labelled:
    """A square of 2 × `image_px` with one picture in each quarter."""
    canvas = Image.new("RGB", (2 * image_px, 2 * image_px), (GREY,) * 3)
    boxes = []
    for one, (left, top) in zip(four, ((0, 0), (1, 0), (0, 1), (1, 1)), strict=True):
        corner = (left * image_px, top * image_px)
        canvas.paste(one.image, corner)
        boxes.append(one.boxes + np.array([*corner, *corner], np.float32))
    return Labelled(canvas, np.concatenate(boxes), np.concatenate([one.labels for one in four]))


def cut(one: Labelled, scale: float, left: float, top: float, image_px: int) -> Labelled:
    """The square of `image_px` whose corner is at (left, top) of the picture scaled by `scale`; grey beside the picture."""
    image = one.image.transform(
        (image_px, image_px),
        Image.Transform.AFFINE,
        (1 / scale, 0, left / scale, 0, 1 / scale, top / scale),
        Image.Resampling.BILINEAR,
        fillcolor=(GREY,) * 3,
    )
    moved = one.boxes * scale - np.array([left, top, left, top], np.float32)
    seen = moved.clip(0, image_px)
    area_px2, seen_px2 = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (moved, seen))
    keep = (seen_px2 >= MIN_VISIBLE * area_px2) & ((seen[:, 2:] - seen[:, :2]).min(axis=1, initial=np.inf) > 1)
    return Labelled(image, seen[keep].astype(np.float32), one.labels[keep])


def recoloured(image: NDArray[np.float32], amount: float, rng: Generator) -> NDArray[np.float32]:
    """(3, H, W) in 0…1 in another light."""
    brightness, contrast, saturation = rng.uniform(1 - amount, 1 + amount, 3).astype(np.float32)
    grey = image.mean(axis=0, keepdims=True)
    image = (grey + (image - grey) * saturation) * brightness
    middle = image.mean()
    lit: NDArray[np.float32] = np.clip((image - middle) * contrast + middle, 0, 1)
    return lit


def varied(
    one: Labelled, others: Sequence[Labelled], settings: Augmentation, image_px: int, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Image (3, image_px, image_px) in 0…1, boxes (M, 4), labels (M,), as training sees `one`, with three others for mosaics."""

    def turn(each: Labelled) -> Labelled:
        each = fitted(each, image_px)
        if (settings.flip or settings.turn) and rng.random() < 0.5:
            each = mirrored(each)
        for _ in range(int(rng.integers(4)) if settings.turn else 0):
            each = turned(each)
        return each

    laid = side_by_side([turn(each) for each in (one, *others)], image_px) if others else turn(one)
    scale = math.exp(rng.uniform(math.log(settings.scale[0]), math.log(settings.scale[1])))
    spare_px = [side * scale - image_px for side in laid.image.size]
    left, top = (rng.uniform(min(0.0, spare), max(0.0, spare)) for spare in spare_px)
    if settings == Augmentation.none():
        scale, left, top = 1.0, 0.0, 0.0
    seen = cut(laid, scale, left, top, image_px)
    image = np.ascontiguousarray(np.asarray(seen.image).transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
    return (recoloured(image, settings.colour, rng) if settings.colour else image), seen.boxes, seen.labels
