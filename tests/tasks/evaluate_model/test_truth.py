from __future__ import annotations

import pyarrow as pa
import pytest

from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES
from include.errors import BadInputError
from tasks.evaluate_model.truth import truth_of


def images(*splits: str) -> pa.Table:
    """Ids 5, 6, …: not those that pycocotools is given."""
    rows = [
        {"image_id": 5 + n, "relpath": f"{n}.png", "md5": "0" * 32, "width_px": 40, "height_px": 30, "split": split}
        for n, split in enumerate(splits)
    ]
    return pa.Table.from_pylist(rows, VERSION_IMAGES)


def annotations(*image_ids: int, is_crowd: bool = False) -> pa.Table:
    rows = [
        {"annotation_id": 90 + n, "image_id": image_id, "category_id": 2, "x_px": 1.0, "y_px": 2.0, "width_px": 3.0,
         "height_px": 4.0, "is_crowd": is_crowd}
        for n, image_id in enumerate(image_ids)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, VERSION_ANNOTATIONS)


def test_only_the_test_split_is_taken_and_ids_start_at_one() -> None:
    truth = truth_of("trees:v1", ["Tree", "Bush"], images("train", "test", "val", "test"), annotations(5, 8, 6, 8, 7))
    assert [(image["id"], image["file_name"]) for image in truth.images] == [(1, "1.png"), (2, "3.png")]
    assert [(one["id"], one["image_id"]) for one in truth.annotations] == [(1, 2), (2, 1), (3, 2)]
    assert truth.annotations[0]["bbox"] == [1, 2, 3, 4]
    assert truth.annotations[0]["area"] == 12
    assert [one["name"] for one in truth.coco["categories"]] == ["Tree", "Bush"]


def test_empty_test_split_says_what_to_do() -> None:
    with pytest.raises(BadInputError, match=r"trees:v1: its test split has no images \(of 2\); label images of more groups"):
        truth_of("trees:v1", ["Tree"], images("train", "val"), annotations(5))


@pytest.mark.parametrize("boxes", [annotations(5), annotations(6, is_crowd=True)], ids=["none", "crowds only"])
def test_test_split_without_boxes_says_what_to_do(boxes: pa.Table) -> None:
    with pytest.raises(BadInputError, match=r"the 1 images of its test split have no boxes"):
        truth_of("trees:v1", ["Tree"], images("train", "test"), boxes)
