from __future__ import annotations

import numpy as np
from PIL import Image

from include.detector.augment import Augmentation, Labelled, cut, mirrored, side_by_side, turned, varied


def marked(width: int = 40, height: int = 20) -> Labelled:
    """A black picture with one white box, so that pixels can tell whether the label went along."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[4:10, 6:16] = 255
    return Labelled(Image.fromarray(pixels), np.array([[6, 4, 16, 10]], np.float32), np.array([3]))


def white_box(image: Image.Image) -> list[int]:
    rows, columns = np.nonzero(np.asarray(image)[:, :, 0] > 200)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def test_label_follows_the_mirrored_picture() -> None:
    made = mirrored(marked())
    assert made.boxes.tolist() == [white_box(made.image)] == [[24, 4, 34, 10]]


def test_label_follows_the_turned_picture() -> None:
    made = turned(marked())
    assert made.image.size == (20, 40)
    assert made.boxes.tolist() == [white_box(made.image)] == [[4, 24, 10, 34]]


def test_label_follows_the_cut() -> None:
    made = cut(marked(), scale=2.0, left=4, top=2, image_px=64)
    assert made.boxes.tolist() == [[8, 6, 28, 18]]
    assert np.abs(np.array(white_box(made.image)) - [8, 6, 28, 18]).max() <= 1


def test_box_mostly_outside_the_cut_does_not_teach() -> None:
    # the cut starts at x 13 of a box from 6 to 16: 3 of 10 columns are left
    assert len(cut(marked(), scale=1.0, left=13, top=0, image_px=32).labels) == 0
    assert cut(marked(), scale=1.0, left=12, top=0, image_px=32).boxes.tolist() == [[0, 4, 4, 10]]


def test_four_pictures_side_by_side_keep_their_labels() -> None:
    made = side_by_side([marked()] * 4, 50)
    assert made.boxes.tolist() == [[6, 4, 16, 10], [56, 4, 66, 10], [6, 54, 16, 60], [56, 54, 66, 60]]
    assert made.labels.tolist() == [3, 3, 3, 3]


def test_without_augmentation_the_picture_is_only_fitted() -> None:
    image, boxes, labels = varied(marked(), [], Augmentation.none(), 64, np.random.default_rng(0))
    assert image.shape == (3, 64, 64)
    assert np.allclose(boxes, [[9.6, 6.4, 25.6, 16]])
    assert labels.tolist() == [3]


def test_equal_generators_give_equal_pictures() -> None:
    settings = Augmentation(turn=True, mosaic=1)
    first, second = (varied(marked(), [marked()] * 3, settings, 64, np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_boxes_stay_inside_and_values_in_range() -> None:
    for seed in range(50):
        image, boxes, labels = varied(marked(), [], Augmentation(turn=True), 64, np.random.default_rng(seed))
        assert image.min() >= 0
        assert image.max() <= 1
        assert len(boxes) == len(labels)
        assert ((boxes >= 0) & (boxes <= 64)).all()
