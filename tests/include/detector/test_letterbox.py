from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from include.detector.letterbox import boxes_in_picture, fitted_size_px, letterbox


@pytest.mark.parametrize(
    ("size", "expected"), [((200, 100), (64, 32)), ((30, 60), (32, 64)), ((64, 64), (64, 64)), ((1000, 1), (64, 1))]
)
def test_longer_side_fills_the_square(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted_size_px(*size, 64) == expected


def test_picture_lies_at_the_top_left_with_grey_beside_it() -> None:
    square = letterbox(Image.new("RGB", (100, 50), (255, 0, 0)), 64)
    assert square.shape == (3, 64, 64)
    assert square[:, 10, 10].tolist() == [1, 0, 0]
    assert square[:, 40, 10] == pytest.approx([114 / 255] * 3)


def test_grey_and_palette_pictures_are_taken_too() -> None:
    assert letterbox(Image.new("L", (10, 10), 255), 32).max() == 1
    assert letterbox(Image.new("P", (10, 10)), 32).shape == (3, 32, 32)


def test_boxes_come_back_in_the_pictures_pixels_and_inside_its_edges() -> None:
    # 200 × 100 px in a square of 64: factor 200 / 64 = 3.125
    boxes = boxes_in_picture(np.array([[0, 0, 32, 16], [-4, -4, 70, 40]], np.float32), (200, 100), 64)
    assert boxes.tolist() == [[0, 0, 100, 50], [0, 0, 200, 100]]
