"""What a version holds, as two tables that operations work on. An image is its bytes: one row per md5.

`images` has IMAGE_COLUMNS, `annotations` ANNOTATION_COLUMNS; each annotation belongs to the image of its md5.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet, to_frame
from include.storage import ContentStore

LOOKED_AT = ["phash", "brightness"]  # what is known of an image once it was decoded
ANNOTATION_COLUMNS = [
    "md5", "class_name", "x_px", "y_px", "width_px", "height_px", "is_crowd", "origin",
    "annotator", "reviewer", "job", "attributes",
]  # fmt: skip
IMAGE_COLUMNS = [
    "relpath", "md5", "size_bytes", "width_px", "height_px", "group", "split", "source", "checked_labels", "attributes",
    *LOOKED_AT,
]  # fmt: skip


@dataclass(frozen=True)
class Copy:
    """A file with the bytes of an image of the version, stated to lie in another split than that image."""

    md5: str
    relpath: str
    group: str
    split: str


@dataclass(frozen=True)
class Contents:
    """`images`: IMAGE_COLUMNS, one row per md5. `annotations`: ANNOTATION_COLUMNS; each belongs to the image of its md5.

    `superseded`: images whose labels were replaced. `copies`: what was left out because its bytes lie in another split.
    """

    images: pd.DataFrame
    annotations: pd.DataFrame
    superseded: int = 0
    withdrawn: int = 0
    copies: tuple[Copy, ...] = ()

    @classmethod
    def empty(cls) -> Contents:
        return cls(pd.DataFrame(columns=IMAGE_COLUMNS), pd.DataFrame(columns=ANNOTATION_COLUMNS))

    @classmethod
    def of_version(cls, images: pa.Table, annotations: pa.Table, classes: tuple[str, ...]) -> Contents:
        """From the tables of a version, VERSION_IMAGES and VERSION_ANNOTATIONS, and its classes in order."""
        image_rows = to_frame(images)
        rows = to_frame(annotations)
        rows["md5"] = rows["image_id"].map(image_rows.set_index("image_id")["md5"])
        rows["class_name"] = rows["category_id"].map(dict(enumerate(classes, 1)))
        return cls(with_looks(image_rows)[IMAGE_COLUMNS], rows[ANNOTATION_COLUMNS])

    @classmethod
    def read(cls, content: ContentStore, version: DatasetVersion) -> Contents:
        """Of a version that stands."""
        images, annotations = (from_parquet(content.get(md5)) for md5 in (version.images_table, version.annotations_table))
        return cls.of_version(images, annotations, version.classes)


def with_looks(images: pd.DataFrame) -> pd.DataFrame:
    """The rows with LOOKED_AT, as objects; tables that were made before there were any lack them."""
    found = {name: images[name].astype(object) if name in images else None for name in LOOKED_AT}
    return images.assign(**found)


def stack(above: pd.DataFrame, below: pd.DataFrame) -> pd.DataFrame:
    """Both, one over the other. An empty frame has no types to offer: it is left out."""
    return pd.concat([above, below], ignore_index=True) if len(above) and len(below) else (above if len(above) else below)
