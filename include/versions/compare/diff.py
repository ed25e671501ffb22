"""Two versions compared down to the box, from their tables alone: no picture is read.

An image is matched by its bytes, else by its path (it was replaced). Boxes of a matched image are

    unchanged            the same in every respect, whatever their ids, order and delivery
    moved                same class, IoU at least 0.5
    relabelled           other class, IoU at least 0.5
    attributes changed   same class and place; other annotator, reviewer, job, attributes or crowd mark
    removed, added       without a partner

and those of images that one version alone has are counted (on added images, on removed images).

One to one, highest IoU first; of equals the same class first. Which row comes first plays no part. Images whose boxes are
all unchanged are told by a hash per image, so that what is compared box by box is only what changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from include.artifacts.tables import to_frame
from include.versions.compare.box_pairs import Numbers, best_pairs, equal_pairs, unlike_images
from include.versions.compare.diff_tables import BOX, BOXES_READ, IMAGES_READ, TEXTS, Tables, boxes_by, numbers_of

IMAGE_CHANGES = ("added", "removed", "replaced", "renamed", "split changed")
BOX_CHANGES = ("added", "removed", "moved", "relabelled", "attributes changed")  # of images that both versions have
ON_WHOLE_IMAGES = ("on added images", "on removed images")


@dataclass(frozen=True)
class Diff:
    """`images`: a row per change (`change`, and relpath, md5, split of both sides). `boxes`: the same, with both sides' values,
    IoU and the image's path and md5s. An image can be renamed and have changed its split: two rows.
    """

    images: pd.DataFrame
    boxes: pd.DataFrame
    unchanged_images: int  # same bytes, path, split and boxes
    unchanged_boxes: int
    on_whole_images: tuple[dict[str, dict[str, int]], ...]  # boxes of added images, and of removed ones: boxes_by

    def image_counts(self) -> dict[str, int]:
        return counts(self.images, IMAGE_CHANGES)

    def box_counts(self) -> dict[str, int]:
        whole = [sum(found["class_name"].values()) for found in self.on_whole_images]
        return counts(self.boxes, BOX_CHANGES) | dict(zip(ON_WHOLE_IMAGES, whole, strict=True))

    def by(self, column: str) -> dict[str, dict[str, int]]:
        """Box changes by `class_name`, `job`, `annotator` or `reviewer`: of the later side, or the earlier of what was removed.
        A change of class is listed under `before → after`.
        """
        before, after = (self.boxes[f"{column}_{side}"] for side in ("before", "after"))
        key = after.where(self.boxes["change"] != "removed", before).astype(object)
        if column == "class_name":
            key = key.where(self.boxes["change"] != "relabelled", before + " → " + after)
        groups = self.boxes[["change"]].groupby(key.where(key.notna(), "unknown").to_numpy())
        found = {str(name): counts(rows, BOX_CHANGES) for name, rows in groups}
        whole = [one[column] for one in self.on_whole_images]
        return {
            name: found.get(name, dict.fromkeys(BOX_CHANGES, 0))
            | {title: one.get(name, 0) for title, one in zip(ON_WHOLE_IMAGES, whole, strict=True)}
            for name in sorted({*found, *whole[0], *whole[1]})
        }


def counts(rows: pd.DataFrame, changes: Sequence[str]) -> dict[str, int]:
    found = rows["change"].value_counts()
    return {change: int(found.get(change, 0)) for change in changes}


def compare(before: Tables, after: Tables) -> Diff:
    """From `before` to `after`."""
    old, new = to_frame(before.images.select(IMAGES_READ)), to_frame(after.images.select(IMAGES_READ))
    matched = matched_images(old, new)
    images = image_changes(old, new, matched)
    sides = numbers_of(before, after, matched)
    changed = unlike_images(*sides, len(matched))
    in_changed = [np.flatnonzero(changed[side.image]) for side in sides]
    small = [side.take(rows) for side, rows in zip(sides, in_changed, strict=True)]
    rows, same = box_changes(small[0], small[1])
    boxes = described(rows, (before, after), small, matched)
    touched = set(images["md5_after"].dropna()) | set(matched["md5_after"][changed])
    unchanged = len(sides[0].image) - len(in_changed[0]) + same
    came = new["image_id"][~new["image_id"].isin(matched["image_id_after"])]
    gone = old["image_id"][~old["image_id"].isin(matched["image_id_before"])]
    whole = (boxes_by(after, came), boxes_by(before, gone))
    return Diff(images, boxes, len(new) - len(set(new["md5"]) & touched), unchanged, whole)


def matched_images(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """One row per image that both have, by md5, else by path; columns of both sides end in _before and _after."""
    names = ("_before", "_after")
    by_bytes = old.assign(key=old["md5"]).merge(new.assign(key=new["md5"]), on="key", suffixes=names)
    left = old[~old["md5"].isin(by_bytes["key"])], new[~new["md5"].isin(by_bytes["key"])]
    by_path = left[0].assign(key=left[0]["relpath"]).merge(left[1].assign(key=left[1]["relpath"]), on="key", suffixes=names)
    both = pd.concat([by_bytes, by_path], ignore_index=True) if len(by_path) else by_bytes
    return both.drop(columns="key").sort_values("md5_after", ignore_index=True)


def image_changes(old: pd.DataFrame, new: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """By change, then by path."""
    gone = old[~old["image_id"].isin(matched["image_id_before"])].add_suffix("_before")
    came = new[~new["image_id"].isin(matched["image_id_after"])].add_suffix("_after")
    differ = {
        change: matched[matched[f"{column}_before"] != matched[f"{column}_after"]]
        for change, column in (("replaced", "md5"), ("renamed", "relpath"), ("split changed", "split"))
    }
    parts = [rows.assign(change=change) for change, rows in {"added": came, "removed": gone, **differ}.items() if len(rows)]
    columns = ["change", *(f"{name}_{side}" for name in ("relpath", "md5", "split") for side in ("before", "after"))]
    together = pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)
    order = together["change"].map(IMAGE_CHANGES.index)
    path = together["relpath_after"].where(together["relpath_after"].notna(), together["relpath_before"])
    return together.assign(order=order, path=path).sort_values(["order", "path"], ignore_index=True)[columns].astype(object)


def box_changes(old: Numbers, new: Numbers) -> tuple[pd.DataFrame, int]:
    """Rows `change`, `old`, `new` (positions, -1: none), `iou`; and how many boxes are unchanged."""
    is_same_old, is_same_new = equal_pairs(old, new)
    left = np.flatnonzero(~is_same_old), np.flatnonzero(~is_same_new)
    rest = old.take(left[0]), new.take(left[1])
    ones, others, iou = best_pairs(*rest)
    relabelled = rest[0].category[ones] != rest[1].category[others]
    moved = (rest[0].box[ones] != rest[1].box[others]).any(axis=1)
    change = np.select([relabelled, moved], ["relabelled", "moved"], "attributes changed")
    gone, came = (np.setdiff1d(np.arange(len(side.image)), used) for side, used in zip(rest, (ones, others), strict=True))
    rows = pd.DataFrame({
        "change": np.concatenate([change, np.repeat("removed", len(gone)), np.repeat("added", len(came))]).astype(object),
        "old": np.concatenate([left[0][ones], left[0][gone], np.full(len(came), -1)]),
        "new": np.concatenate([left[1][others], np.full(len(gone), -1), left[1][came]]),
        "iou": np.concatenate([iou, np.full(len(gone) + len(came), np.nan)]),
    })  # fmt: skip
    return rows, int(is_same_old.sum())


def described(rows: pd.DataFrame, tables: Sequence[Tables], sides: Sequence[Numbers], matched: pd.DataFrame) -> pd.DataFrame:
    """The changes in words and pixels, by image and place; their order follows from their values."""
    parts = {"change": rows["change"], "iou": rows["iou"]}
    image = np.full(len(rows), -1)
    for name, table, side in zip(("before", "after"), tables, sides, strict=True):
        at = rows["old" if name == "before" else "new"].to_numpy()
        image = np.where(at >= 0, side.image[at] if len(side.image) else -1, image)
        taken = pa.array(np.where(at >= 0, side.row[at] if len(side.row) else 0, 0), mask=at < 0)
        frame = to_frame(table.annotations.select(BOXES_READ).take(taken))
        frame["class_name"] = frame["category_id"].map(dict(enumerate(table.classes, 1))).astype(object)
        for column in ("class_name", *BOX, "is_crowd", *TEXTS):
            parts[f"{column}_{name}"] = frame[column]
    of_image = matched.iloc[image][["relpath_after", "md5_before", "md5_after"]].reset_index(drop=True)
    made = pd.concat([of_image.rename(columns={"relpath_after": "relpath"}), pd.DataFrame(parts)], axis=1)
    order = [
        "relpath",
        "change",
        *(f"{column}_{side}" for side in ("after", "before") for column in (*BOX, "class_name", *TEXTS)),
    ]
    return made.sort_values(order, ignore_index=True)
