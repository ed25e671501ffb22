"""From files and what label files say of them to a version's contents, and back. What adopt, import and export share."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from include.errors import BadInputError, ConfigError
from include.formats import Box, FormatName, LabelledImage, Labels
from include.formats.records import Problems, unpacked
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Contents, Copy
from include.versions.names import Names
from include.versions.splits import SPLITS, SplitFractions, split_of

EDGE_PX = 0.01  # what rounding in a label file may lay outside the image; such a box is cut at the edge


class LabelRules(BaseModel):
    """How labels become a version."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: FormatName | None = Field(default=None, description="of the labels; null: there are none")
    labels: tuple[str, ...] = Field(default=(), description="label files or folders; none: all that are with the images")
    classes: tuple[str, ...] | None = Field(default=None, description="in order; null: those of the labels, by name")
    split: SplitFractions | None = Field(default=None, description="shares of the groups; null: as stated, else 0.8, 0.1, 0.1")
    group: str | None = Field(
        default=None, pattern=r"^(folder|regex:.+|attribute:.+)$",
        description="what no split tears apart: the folder, what a pattern finds in the path, an attribute; null: as stated",
    )  # fmt: skip
    boxes_outside: Literal["refuse", "clip", "leave_out"] = Field(default="refuse", description="boxes not inside their image")

    @field_validator("group")
    @classmethod
    def _compiles(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"not a pattern: {error}") from None
        return group


@dataclass(frozen=True, slots=True)
class File:
    """An image file of the data set: where, which bytes, how large."""

    path: str
    md5: str
    size_bytes: int
    width_px: int
    height_px: int


def contents_of(
    rules: LabelRules, labels: Labels, files: Mapping[str, File], source: str
) -> tuple[Contents, tuple[str, ...], Counter[str]]:
    """Contents, classes, and counts of all that is not in them. Raises BadInputError or ConfigError for what cannot be."""
    labels.problems.refuse("labels")
    counts = Counter({f"not kept: {what}": count for what, count in labels.lost.items() if count})
    problems = Problems()
    rows: dict[str, tuple[File, LabelledImage]] = {}
    again: list[tuple[File, LabelledImage]] = []
    for image in labels.images:
        file = files.get(image.path)
        counts["labelled images without a file"] += file is None
        if file is not None:
            if file.md5 in rows:
                counts["files with the same bytes as another"] += 1
                counts["boxes of such files, left out"] += len(image.boxes)
                again.append((file, image))
            rows.setdefault(file.md5, (file, image))
    if labels.images and not rows:
        raise BadInputError(
            f"labels: none of their {len(labels.images)} images is there, e.g. {labels.images[0].path!r}; "
            f"there are {len(files)} files, e.g. {next(iter(files), None)!r}. Name the folder to which the paths belong"
        )
    counts["files without labels, left out"] = len(files) - sum(image.path in files for image in labels.images)
    boxes = [row for file, image in rows.values() for row in _box_rows(file, image, rules, problems, counts)]
    images = _image_rows(list(rows.values()), rules, source, problems, counts)
    problems.refuse("labels")
    contents = Contents(
        pd.DataFrame(images, columns=IMAGE_COLUMNS, dtype=object), pd.DataFrame(boxes, columns=ANNOTATION_COLUMNS, dtype=object),
        copies=tuple(_copies(again, {row["md5"]: row["split"] for row in images}, rules)),
    )  # fmt: skip
    return contents, _classes(rules, labels, contents), +counts


def _classes(rules: LabelRules, labels: Labels, contents: Contents) -> tuple[str, ...]:
    found = Counter(contents.annotations["class_name"])
    classes = rules.classes if rules.classes is not None else tuple(sorted({*labels.classes, *found}))
    if unknown := {name: count for name, count in found.items() if name not in classes}:
        got = ", ".join(f"{name} ({count} boxes)" for name, count in unknown.items())
        raise ConfigError(f"classes: got boxes of {got}, expected {', '.join(classes)}; add the class")
    return classes


def _box_rows(
    file: File, image: LabelledImage, rules: LabelRules, problems: Problems, counts: Counter[str]
) -> list[dict[str, Any]]:
    rows = []
    for number, box in enumerate(image.boxes):
        x0, y0, x1, y1 = _cut(box, file)
        outside = not max(abs(x0 - box.x_px), abs(y0 - box.y_px), abs(x1 - box.x_px - box.width_px),
                          abs(y1 - box.y_px - box.height_px)) <= EDGE_PX  # fmt: skip
        empty = not (x1 > x0 and y1 > y0)
        if (outside or empty) and rules.boxes_outside == "refuse":
            said = f"box {box.x_px:g}, {box.y_px:g}, {box.width_px:g} × {box.height_px:g}"
            problems.add(
                f"{image.path} box {number}", said, f"one inside {file.width_px} × {file.height_px} px (or boxes_outside)"
            )
            continue
        if empty or (outside and rules.boxes_outside == "leave_out"):
            counts["boxes outside their image, left out"] += 1
            continue
        counts["boxes clipped to their image"] += outside
        rows.append({
            "md5": file.md5, "class_name": box.class_name, "x_px": x0, "y_px": y0, "width_px": x1 - x0, "height_px": y1 - y0,
            "is_crowd": box.is_crowd, "origin": f"{image.path}#{number}", "annotator": box.annotator,
            "reviewer": box.reviewer, "job": box.job, "attributes": box.attributes,
        })  # fmt: skip
    return rows


def _cut(box: Box, file: File) -> tuple[float, float, float, float]:
    """Corners, none outside the image."""
    if not all(map(math.isfinite, (box.x_px, box.y_px, box.width_px, box.height_px))):
        return math.nan, math.nan, math.nan, math.nan
    x0, x1 = (min(max(x, 0.0), file.width_px) for x in (box.x_px, box.x_px + box.width_px))
    y0, y1 = (min(max(y, 0.0), file.height_px) for y in (box.y_px, box.y_px + box.height_px))
    return x0, y0, x1, y1


def _image_rows(
    pairs: list[tuple[File, LabelledImage]], rules: LabelRules, source: str, problems: Problems, counts: Counter[str]
) -> list[dict[str, Any]]:
    names = Names(())
    split_of_group: dict[str, set[str]] = defaultdict(set)
    rows = []
    for file, image in sorted(pairs, key=lambda pair: pair[0].path):
        if (group := _group(file, image, rules.group)) is None:
            problems.add(image.path, f"no group by {rules.group}", "one")
            continue
        split = _split(image, group, rules)
        split_of_group[group].add(split)
        rows.append({
            "relpath": names.take(f"images/{file.path.removeprefix('images/')}", file.md5), "md5": file.md5,
            "size_bytes": file.size_bytes, "width_px": file.width_px, "height_px": file.height_px, "group": group,
            "split": split, "source": source, "checked_labels": None, "attributes": image.attributes,
        })  # fmt: skip
    counts["groups that the stated splits tear apart"] = sum(len(splits) > 1 for splits in split_of_group.values())
    return rows


def _copies(again: list[tuple[File, LabelledImage]], splits: Mapping[str, str], rules: LabelRules) -> Iterator[Copy]:
    for file, image in again:
        group = _group(file, image, rules.group)
        if group is not None and (split := _split(image, group, rules)) != splits.get(file.md5):
            yield Copy(file.md5, f"images/{file.path.removeprefix('images/')}", group, split)


def _split(image: LabelledImage, group: str, rules: LabelRules) -> str:
    stated = rules.split is None and image.split in SPLITS
    return str(image.split) if stated else split_of(group, (rules.split or SplitFractions()).by_split)


def _group(file: File, image: LabelledImage, rule: str | None) -> str | None:
    """None where the rule finds none."""
    kind, _, what = (rule or "").partition(":")
    if kind == "folder":
        return file.path.rpartition("/")[0]
    if kind == "regex":
        found = re.search(what, file.path)
        return (found[1] if found.re.groups else found[0]) if found else None
    if kind == "attribute":
        value = unpacked(image.attributes).get(what)
        return None if value is None else str(value)
    return image.group or file.md5


def without_labels(files: Mapping[str, File]) -> Labels:
    """Every image, with no box."""
    return Labels([], [LabelledImage(path) for path in files])
