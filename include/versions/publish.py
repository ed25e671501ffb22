"""Write a version: tables, COCO files and listing by content, then the card under the next free number, create-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pandas as pd

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet, rows_of, to_parquet
from include.errors import NothingToDo
from include.step.step_run import StepRun
from include.storage import ContentStore
from include.storage.content import in_threads
from include.versions.alike.duplicates import keep_apart
from include.versions.contents import LOOKED_AT, Contents
from include.versions.files import coco_files, count_splits, version_tables
from include.versions.history import read_version, version_numbers
from include.versions.listing import put_listing, read_listing
from include.versions.stay_put import left_table, read_places, stay_put

RECENT = 20  # versions among which a killed try looks for its own: others may have built meanwhile, but not that many


@dataclass(frozen=True)
class Made:
    """What an operation made, before it is a version. `counts` go into the card, `report` (HTML) beside it.

    `files` (md5 by relpath) is the listing where it is given from outside, as by an import; `sizes` (bytes by md5) of those of
    them that are not images. Else the listing is the images and our COCO files.
    """

    contents: Contents
    classes: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    report: bytes | None = None
    files: Mapping[str, str] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


def describe(
    content: ContentStore, name: str, classes: Sequence[str], contents: Contents, before: Iterable[DatasetVersion],
    files: Mapping[str, str] | None = None, sizes: Mapping[str, int] | None = None, known: pd.DataFrame | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A card's fields that follow from the contents; all bytes that they name are stored. Image bytes are there already.

    What `before` have is not new; `known`: md5, group and split of what earlier versions had.
    """
    images, annotations = version_tables(contents, classes)
    others = dict(sizes or {})
    if files is None:
        files = dict(zip(contents.images["relpath"], contents.images["md5"], strict=True))
        for relpath, data in coco_files(name, classes, images, annotations):
            files[relpath] = content.put(data)
            others[files[relpath]] = len(data)
    left = left_table(contents.images, known) if known is not None else ()
    fields = {
        "digest": put_listing(content, files),
        "classes": tuple(classes),
        "images_table": content.put(to_parquet(images)),
        "annotations_table": content.put(to_parquet(annotations)),
        "left_table": content.put(to_parquet(left)) if len(left) else None,
        "splits": count_splits(images, annotations),
    }
    had = {md5 for digest in {one.digest for one in before} for md5 in read_listing(content, digest).values()}
    times, size_bytes, new_bytes = Counter(files.values()), 0, 0
    for md5, size in chain(rows_of(images, "md5", "size_bytes"), others.items()):
        size_bytes += size * times[md5]
        new_bytes += size * (md5 not in had)
    return fields | {"size_bytes": size_bytes, "new_bytes": new_bytes}


def version_of_this_run(step: StepRun[Any], name: str) -> DatasetVersion | None:
    """The version that an earlier try of this run made before it was killed."""
    recent = reversed(version_numbers(step.store, name)[-RECENT:])
    versions = in_threads(lambda number: read_version(step.store, name, number), recent)
    return next((version for version in versions if step.made(version)), None)


def publish_derived(
    step: StepRun[Any], name: str, operation: str, parents: Sequence[DatasetVersion], made: Made
) -> DatasetVersion:
    """The next version of `name`, standing. Raises NothingToDo where its newest version is the same already."""
    if made.report is not None:
        step.store.write(f"{step.output}/report.html", made.report)
    while True:
        number = max(version_numbers(step.store, name), default=0)
        newest = read_version(step.store, name, number) if number else None
        contents, known, counts = settled(step, made, parents, newest)
        had = [*parents, *([newest] if newest else [])]
        fields = describe(step.content, name, made.classes, contents, had, made.files, made.sizes, known)
        if newest is not None and is_same(step.content, newest, fields):
            raise NothingToDo(f"{operation} changed nothing: {newest.label} has the same images and labels")
        version = step.card(
            DatasetVersion,
            name=name,
            version=f"v{number + 1}",
            operation=operation,
            parents=tuple(parent.standing_address for parent in parents),
            checked_labels=tuple(dict.fromkeys(address for parent in parents for address in parent.checked_labels)),
            counts=made.counts | counts,
            **fields,
        )
        if step.store.create(version.standing_address, version.to_bytes()):
            return version
        if (earlier := version_of_this_run(step, name)) is not None:  # a client that retries can lose against itself
            return earlier


def settled(
    step: StepRun[Any], made: Made, parents: Sequence[DatasetVersion], newest: DatasetVersion | None
) -> tuple[Contents, pd.DataFrame, dict[str, int]]:
    """Contents with every image where it was once, and none like one of another split; what is known of places; counts."""
    here = [newest.images_table, newest.left_table] if newest else []
    of_parents = [parents[0].images_table] if len(parents) == 1 else []  # a merge leaves none out
    known = read_places(step.content, dict.fromkeys([*here, *of_parents, *(parent.left_table for parent in parents)]))
    images, stayed = made.contents.images, 0
    if here and len(parents) < 2:  # a merge has settled it
        images, stayed = stay_put(images, read_places(step.content, here))
    before = list({one.label: one for one in (newest, *parents) if one is not None}.values())
    contents = replace(made.contents, images=images)
    contents, counts = keep_apart(step, contents, step.config.near_duplicates, before)
    return contents, known, ({"images_kept_in_their_split": stayed} if stayed else {}) | counts


def is_same(content: ContentStore, version: DatasetVersion, fields: dict[str, Any]) -> bool:
    """Nothing but the number would be new. That an image was looked at meanwhile is not news."""
    if any(getattr(version, one) != fields[one] for one in ("digest", "classes", "annotations_table")):
        return False
    before, after = (from_parquet(content.get(md5)) for md5 in (version.images_table, fields["images_table"]))
    columns = [name for name in after.column_names if name not in LOOKED_AT]
    return set(columns) <= set(before.column_names) and bool(before.select(columns).equals(after.select(columns)))
