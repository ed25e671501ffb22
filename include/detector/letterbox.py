"""Any picture as a square of a model's size, and the model's boxes back in the picture's pixels. numpy and Pillow only:
training, the steps and the served bundle all prepare pictures with these lines, so that they see the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GREY = 114  # of 255: what fills the square beside the picture


def fitted_size_px(width_px: int, height_px: int, image_px: int) -> tuple[int, int]:
    """Width and height of the picture inside a square of `image_px`: its longer side fills it."""
    scale = image_px / max(width_px, height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def letterbox(image: Image.Image, image_px: int) -> NDArray[np.float32]:
    """(3, image_px, image_px) in 0…1: the picture at the top left, grey beside it."""
    width_px, height_px = fitted_size_px(*image.size, image_px)
    fitted = image.convert("RGB").resize((width_px, height_px), Image.Resampling.BILINEAR)
    square = np.full((image_px, image_px, 3), GREY, np.uint8)
    square[:height_px, :width_px] = np.asarray(fitted)
    return np.ascontiguousarray(square.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def letterboxed(images: Sequence[Image.Image], image_px: int) -> NDArray[np.float32]:
    """(N, 3, image_px, image_px) in 0…1."""
    return np.stack([letterbox(image, image_px) for image in images])


def boxes_in_picture(boxes_xyxy_px: NDArray[np.float32], size_px: tuple[int, int], image_px: int) -> NDArray[np.float64]:
    """Boxes (K, 4) of the square, in pixels of the picture of `size_px` (width, height), cut at its edges."""
    width_px, height_px = size_px
    fitted_width_px, fitted_height_px = fitted_size_px(width_px, height_px, image_px)
    scale = np.array([width_px / fitted_width_px, height_px / fitted_height_px] * 2)
    inside: NDArray[np.float64] = np.clip(boxes_xyxy_px.astype(np.float64) * scale, 0, [width_px, height_px] * 2)
    return inside
