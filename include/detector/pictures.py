"""The pictures of a dataset version's split with their boxes: fetched once to a local folder, checked, then read at will."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet
from include.errors import BadInputError
from include.storage import ContentStore
from include.storage.content import in_threads
from include.upright import in_rgb, upright


@dataclass(frozen=True)
class Picture:
    """An image of a version. Boxes (M, 4) x0 y0 x1 y1 px, labels (M,) from 0; `crowd` (M,) marks boxes that stand for many
    objects: they do not teach, and metrics treat them apart.
    """

    image_id: int
    relpath: str
    md5: str
    path: Path
    boxes_xyxy_px: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]

    def open(self) -> Image.Image:
        """Decoded, upright, RGB."""
        with Image.open(self.path) as image:
            return in_rgb(image)


def read_split(version: DatasetVersion, content: ContentStore, split: str, folder: Path) -> list[Picture]:
    """The split's pictures in the order of their ids; their files, by md5, below `folder`.

    Raises BadInputError that lists pictures which cannot be read or are not of the size that the version states, up to 20.
    """
    rows = [row for row in from_parquet(content.get(version.images_table)).to_pylist() if row["split"] == split]
    labels = defaultdict(list)
    for annotation in from_parquet(content.get(version.annotations_table)).to_pylist():
        labels[annotation["image_id"]].append(annotation)
    folder.mkdir(parents=True, exist_ok=True)
    problems = [problem for problem in in_threads(lambda row: fetch(row, content, folder), rows) if problem]
    if problems:
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise BadInputError(
            f"dataset {version.label}: {len(problems)} of {len(rows)} {split} pictures cannot be used: "
            f"{'; '.join(problems[:20])}{more}. Mend or reject them at the source and build a new version"
        )
    return [picture_of(row, labels[row["image_id"]], folder) for row in sorted(rows, key=lambda row: row["image_id"])]


def fetch(row: dict[str, Any], content: ContentStore, folder: Path) -> str | None:
    """Bring one file here and try it. What is wrong with it, or None."""
    try:
        data = content.get(row["md5"])
        with Image.open(io.BytesIO(data)) as image:
            size = upright(image).size
    except BadInputError as error:
        return f"{row['relpath']}: {error}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{row['relpath']} (md5 {row['md5']}): not readable as an image: {error}"
    expected = (row["width_px"], row["height_px"])
    if size != expected:
        return f"{row['relpath']} (md5 {row['md5']}): got {size[0]}×{size[1]} px, expected {expected[0]}×{expected[1]}"
    (folder / row["md5"]).write_bytes(data)
    return None


def picture_of(row: dict[str, Any], annotations: Iterable[dict[str, Any]], folder: Path) -> Picture:
    """A row of the images table with its annotations."""
    mine = list(annotations)
    corners = [[a["x_px"], a["y_px"], a["x_px"] + a["width_px"], a["y_px"] + a["height_px"]] for a in mine]
    return Picture(
        image_id=row["image_id"],
        relpath=row["relpath"],
        md5=row["md5"],
        path=folder / row["md5"],
        boxes_xyxy_px=np.array(corners, np.float32).reshape(-1, 4),
        labels=np.array([a["category_id"] - 1 for a in mine], np.int64),
        crowd=np.array([bool(a["is_crowd"]) for a in mine], np.bool_),
    )
