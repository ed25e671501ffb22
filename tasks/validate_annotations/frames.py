"""What the rules look at: one row per image, one row per annotation (pandas)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from include.artifacts.tables import to_frame
from tasks.validate_annotations.boxes import duplicate_of
from tasks.validate_annotations.pictures import Picture


def image_frame(images: pa.Table, pictures: Mapping[str, Picture]) -> pd.DataFrame:
    """The IMAGES table with what the pictures really are: `decode_problem`, `real_size`, `stated_size`; indexed by image_key."""
    frame = to_frame(images).set_index("image_key", drop=False)
    looks = [pictures.get(md5) if isinstance(md5, str) else None for md5 in frame["md5"]]
    readable = [look if look is not None and look.problem is None else None for look in looks]
    frame["decode_problem"] = _objects([look.problem if look else None for look in looks], frame)
    frame["real_width_px"] = [look.width_px if look else np.nan for look in readable]
    frame["real_height_px"] = [look.height_px if look else np.nan for look in readable]
    frame["real_size"] = _objects([look.size if look else None for look in readable], frame)
    frame["is_turned"] = [bool(look and look.turned) for look in readable]
    sides = zip(frame["width_px"], frame["height_px"], strict=True)
    frame["stated_size"] = _objects(
        [f"{width:g}×{height:g}" if width == width and height == height else None for width, height in sides], frame
    )
    return frame


def same_image(images: pd.DataFrame) -> pd.Series:
    """For each image row that another one stands for, the key of that one; else null.

    Within a delivery the first stands; between deliveries the later, as a later batch would: so it does not matter whether
    two deliveries came in one batch or in two.
    """
    firsts = images.drop_duplicates(["md5", "delivery"], keep="first")
    standing = firsts.drop_duplicates("md5", keep="last").set_index("md5")["image_key"]
    stands = images["md5"].map(standing)
    return stands.astype(object).where(stands != images["image_key"], None)


def annotation_frame(annotations: pa.Table, images: pd.DataFrame, classes: Mapping[str, str]) -> pd.DataFrame:
    """The ANNOTATIONS table with its image's real size and delivery, and its class in datasets; indexed by annotation_key."""
    frame = to_frame(annotations)
    frame = frame.assign(
        **{name: None for name in ("shape", "conflict") if name not in frame}
    )  # batches made before these were kept
    frame = frame.set_index("annotation_key", drop=False)
    sizes = images[["real_width_px", "real_height_px"]]
    frame = frame.join(sizes, on="image_key")
    frame["delivery"] = [key.rpartition("#")[0] for key in frame["annotation_key"]]
    frame["dataset_class"] = frame["class_name"].map(dict(classes))
    # null is not unexpected to a stock expectation: an undefined category needs a word of its own
    frame["given_class"] = frame["class_name"].astype(object).where(frame["class_name"].notna(), "(undefined category)")
    return frame


def repeated_ids(annotations: pd.DataFrame) -> pd.Series:
    """For each row whose id was used before in its delivery, the annotation_key of the first; else null."""
    first = annotations.groupby(["delivery", "annotation_id"])["annotation_key"].transform("first")
    return first.astype(object).where(annotations["annotation_id"].notna() & (first != annotations["annotation_key"]), None)


def with_repeats(annotations: pd.DataFrame, max_iou: float) -> pd.DataFrame:
    """The rows with `same_id_as` and `same_box_as`: keys of the earlier ones that they repeat."""
    return annotations.assign(same_id_as=repeated_ids(annotations), same_box_as=duplicate_of(annotations, max_iou))


def _objects(values: list[str | None], frame: pd.DataFrame) -> pd.Series:
    return pd.Series(values, index=frame.index, dtype=object)
