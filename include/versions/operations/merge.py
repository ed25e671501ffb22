"""One version from several: the same image is one image, the same class one class, and no image leaves test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.step.step_run import StepRun
from include.storage.content import in_threads
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Contents
from include.versions.history import read_version, version_numbers
from include.versions.names import Names
from include.versions.operations import merge_report
from include.versions.operations.labels_of_several import conflicts, resolve
from include.versions.operations.relabel import check_names, in_order, new_names, rename
from include.versions.operations.splits_of_several import settle
from include.versions.publish import Made
from include.versions.stay_put import read_places

NamesOfClasses = dict[str, str | None]


class Merge(BaseModel):
    """Which parent wins goes by their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Literal["merge"]
    labels: Literal["first", "last", "union", "error"] = Field(
        "last",
        description="whose labels stand on an image of several parents; union: all, less boxes of the same class with IoU > 0.9",
    )
    splits: Literal["protect", "error"] = Field(
        "protect", description="of what parents have in different splits: protect: test before val before train; error: stop"
    )
    map: NamesOfClasses = Field(default_factory=dict, description="old class → new, or null to drop its boxes; for all parents")
    map_of: dict[str, NamesOfClasses] = Field(
        default_factory=dict, description="the same for one parent, by dataset (`signs`) or version (`signs:v2`); goes before map"
    )
    classes: tuple[str, ...] | None = Field(None, description="of the result, in order; none: as they first appear")


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: Merge) -> Made:
    """All parents in one. Raises BadInputError where a rule is `error` and parents disagree."""
    labels = [parent.label for parent in parents]
    names = class_names(asked, parents)
    read = list(in_threads(lambda parent: Contents.read(step.content, parent), parents))
    appearing = [name for parent, mine in zip(parents, names, strict=True) for name in new_names(mine, parent.classes)]
    classes = in_order(list(dict.fromkeys(appearing)), asked.classes, "merge")
    images = numbered([one.images for one in read], IMAGE_COLUMNS)
    renamed = [rename(one.annotations, mine) for one, mine in zip(read, names, strict=True)]
    annotations = numbered(renamed, ANNOTATION_COLUMNS)
    disputed = conflicts(images, annotations)
    if disputed and asked.labels == "error":
        raise BadInputError(
            f"merge: {len(disputed)} images have different labels in several parents: {merge_report.some(images, disputed)}. "
            "Choose labels: first, last or union"
        )
    splits = settle(images, standing(step, parents))
    if splits.moved and asked.splits == "error":
        moved = list(splits.moved)
        raise BadInputError(
            f"merge: {len(moved)} images would change their split: {merge_report.some(images, moved)}. "
            "With splits: protect they go to the most protected one (test, then val)"
        )
    one_each = one_row_each(images, asked.labels).assign(split=lambda rows: rows["md5"].map(splits.split))
    boxes = resolve(annotations, images, disputed, asked.labels)
    counts = {
        "images_in_several_parents": int(images["md5"].duplicated(keep=False).groupby(images["md5"]).first().sum()),
        "images_with_different_labels": len(disputed),
        "images_moved_to_another_split": len(splits.moved),
        "annotations_left_out": sum(len(one.annotations) for one in read) - len(boxes),
    }
    report = merge_report.page_of(labels, asked.labels, images, annotations, boxes, disputed, splits, counts)
    return Made(Contents(one_each, boxes), classes, counts, report)


def class_names(asked: Merge, parents: Sequence[DatasetVersion]) -> list[NamesOfClasses]:
    """What each parent's classes are called. Raises ConfigError for parents and classes that there are not."""
    known = {name for parent in parents for name in (parent.name, parent.label)}
    if unknown := sorted(asked.map_of.keys() - known):
        raise ConfigError(f"merge.map_of: no parent {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(known))}")
    check_names(asked.map, list(dict.fromkeys(name for parent in parents for name in parent.classes)), "merge.map")
    for named, mine in asked.map_of.items():
        for parent in parents:
            if named in (parent.name, parent.label):
                check_names(mine, parent.classes, f"merge.map_of.{named}")
    return [asked.map | asked.map_of.get(parent.name, {}) | asked.map_of.get(parent.label, {}) for parent in parents]


def numbered(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """All rows, with the number of their `parent`. Empty frames have no types to offer: they are left out."""
    filled = [frame.assign(parent=number) for number, frame in enumerate(frames) if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=[*columns, "parent"])


def standing(step: StepRun[Any], parents: Sequence[DatasetVersion]) -> pd.DataFrame:
    """md5, group, split of the newest version of the dataset that gets the result, and of what left it and the parents."""
    number = max(version_numbers(step.store, step.config.name), default=0)
    newest = [read_version(step.store, step.config.name, number)] if number else []
    left = [version.left_table for version in (*newest, *parents)]
    return read_places(step.content, [*(version.images_table for version in newest), *left])


def one_row_each(images: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The winner's row of each image, in the order of the parents, under a path that no other image has."""
    rows = images.drop_duplicates("md5", keep="last" if rule == "last" else "first")
    names = Names(())
    paths = [names.take(relpath, md5) for relpath, md5 in zip(rows["relpath"], rows["md5"], strict=True)]
    return rows.assign(relpath=paths)[IMAGE_COLUMNS].reset_index(drop=True)
