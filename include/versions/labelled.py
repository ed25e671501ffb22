"""From files and what label files say of them to a version's contents, and back. What adopt, import and export share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts.tables import rows_at, rows_of
from include.errors import BadInputError, ConfigError
from include.formats import Box, LabelledImage, Labels
from include.formats.records import Problems
from include.versions.contents import ANNOTATION_COLUMNS, Contents
from include.versions.label_rules import LabelRules
from include.versions.making import FILES, File, Making


def positions_of(images: Sequence[LabelledImage], files: pa.Table) -> npt.NDArray[np.int64]:
    """Where the labelled images are among the files (by `key`); -1: nowhere."""
    found = pc.index_in(pa.array([one.path for one in images], pa.string()), value_set=files["key"])
    positions: npt.NDArray[np.int64] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return positions


def contents_of(
    rules: LabelRules, labels: Labels | None, files: pa.Table, source: str, folder: str = "", below: str | None = "images/"
) -> tuple[Contents, tuple[str, ...], Counter[str]]:
    """Contents, classes, and counts of all that is not in them. Without labels every file is an image that has no box.

    `files`: the columns of FILES, by key. Paths count from `folder`; in the version they lie `below` a folder of it (None: they
    stay as they are). Of files with the same bytes the first is an image. Raises BadInputError or ConfigError for what cannot be.
    """
    counts, problems = Counter[str](), Problems()
    pairs = _unlabelled(files) if labels is None else _labelled(labels, files, counts)
    making = Making(rules, source, folder, below, problems, counts)
    for file, image in pairs:
        making.add(file, image)
    counts["groups that the stated splits tear apart"] = len(making.torn)
    problems.refuse("labels")
    contents = Contents(making.images.frame(), making.boxes.frame(), copies=tuple(making.copies))
    return contents, _classes(rules, labels or Labels(), contents), +counts


def _unlabelled(files: pa.Table) -> Iterator[tuple[File, LabelledImage]]:
    for row in rows_of(files, *FILES.names):
        yield File(*row), LabelledImage(row[0])


def _labelled(labels: Labels, files: pa.Table, counts: Counter[str]) -> Iterator[tuple[File, LabelledImage]]:
    """In the order of the files."""
    labels.problems.refuse("labels")
    counts.update({f"not kept: {what}": count for what, count in labels.lost.items() if count})
    positions = positions_of(labels.images, files)
    order = np.argsort(positions, kind="stable")[int((positions < 0).sum()) :]
    counts["labelled images without a file"] = len(positions) - len(order)
    if labels.images and not len(order):
        some = files["key"][0].as_py() if len(files) else None
        raise BadInputError(
            f"labels: none of their {len(labels.images)} images is there, e.g. {labels.images[0].path!r}; "
            f"there are {len(files)} files, e.g. {some!r}. Name the folder to which the paths belong"
        )
    counts["files without labels, left out"] = len(files) - len(np.unique(positions[order]))
    rows = rows_at(files, pa.array(positions[order]), *FILES.names)
    for row, number in zip(rows, order, strict=True):
        yield File(*row), labels.images[number]


def _classes(rules: LabelRules, labels: Labels, contents: Contents) -> tuple[str, ...]:
    found = Counter(contents.annotations["class_name"])
    classes = rules.classes if rules.classes is not None else tuple(sorted({*labels.classes, *found}))
    if unknown := {name: count for name, count in found.items() if name not in classes}:
        got = ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        raise ConfigError(f"classes: got boxes of {got}, expected {', '.join(classes)}; add the class")
    return classes


def labels_of(contents: Contents, classes: tuple[str, ...]) -> Labels:
    """A version's contents as records, its images in the order of their paths."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    fields = [name for name in ANNOTATION_COLUMNS if name not in ("md5", "origin")]
    for md5, *values in _rows(contents.annotations, ["md5", *fields]):
        boxes[md5].append(Box(*values))
    columns = ["md5", "relpath", "width_px", "height_px", "group", "split", "attributes"]
    rows = _rows(contents.images.sort_values("relpath"), columns)
    return Labels(list(classes), [LabelledImage(path, tuple(boxes[md5]), *rest) for md5, path, *rest in rows])


def _rows(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Plain values; pandas makes NaN of some nulls."""
    chosen = frame[columns].astype(object)
    return chosen.where(chosen.notna(), None).itertuples(index=False, name=None)
