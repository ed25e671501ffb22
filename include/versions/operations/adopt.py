"""Files that are in the bucket already become a version; their bytes stay where they are.

A version that was adopted so can be used, exported and checked out with visionloop. A stock `dvc pull` looks for bytes below
files/md5 alone: `copy: true` copies them there, within the server, and then it works. Until then the objects must stay as they
are: whoever changes or deletes one damages the version, and reading says so.

Killed and started again it goes on: include/versions/objects.py. Listing and tables are in memory as columns, labels as records:
0.9 kB an image beside 210 MB (measured from 20,000 to 100,000 images with labels from folders' names:
benchmarks/adopt_objects.py), so 1.2 million take about 1.3 GB of the step's 4 GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from include.artifacts import DatasetVersion
from include.artifacts.tables import rows_at, rows_of
from include.errors import BadInputError, ConfigError
from include.formats import FORMATS, Labels, Tree
from include.formats.tree import below, is_image
from include.step.step_run import StepRun
from include.storage.adopted import Lies
from include.storage.content import content_key
from include.versions.contents import Contents
from include.versions.label_rules import LabelRules
from include.versions.labelled import contents_of, positions_of
from include.versions.objects import listed, look_at, streamed_md5
from include.versions.progress import steadily
from include.versions.publish import Made


class Adopt(LabelRules):
    """`labels` are keys of the store, too: below the prefix or elsewhere."""

    operation: Literal["adopt"]
    prefix: str = Field(min_length=1, description="folder of the store with the images")
    copy_bytes: bool = Field(default=False, alias="copy", description="to files/md5, so that a stock dvc can pull the version")


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: Adopt) -> Made:
    """Raises ConfigError for a prefix without images, BadInputError for labels that do not fit."""
    prefix = asked.prefix.strip("/")
    labels, files = labels_and_files(step, asked, prefix)
    if not_readable := files["width_px"].null_count:
        files = files.filter(pc.is_valid(files["width_px"]))
    contents, classes, counts = contents_of(asked, labels, files, source=prefix, folder=prefix)
    counts["files that are no readable image, left out"] += not_readable
    used = pc.is_in(files["md5"], value_set=pa.array(contents.images["md5"], pa.string()))
    lie, count = by_md5(files, used), pc.sum(used).as_py() or 0
    if asked.copy_bytes:
        counts["objects copied"] += sum(steadily(lambda one: copied(step, one), lie, count, step.log, "copied"))
    else:
        counts["objects adopted"] += step.content.adopted.add(lie)
    say(step, contents, +counts)
    return Made(contents, classes, dict(+counts))


def say(step: StepRun[Any], contents: Contents, counts: Mapping[str, int]) -> None:
    step.log.info("%d images, %d boxes", len(contents.images), len(contents.annotations))
    for what, count in counts.items():
        step.log.info("%s: %d", what, count)


def listing(step: StepRun[Any], prefix: str, labels: Sequence[str]) -> pa.Table:
    """LISTED, by key: what lies below the prefix and below the labels' folders, and label files elsewhere."""
    found = listed(step.store.list(prefix))
    for key in (label.strip("/") for label in labels):
        if not key.startswith(f"{prefix}/"):
            folder = key.rpartition("/")[0] if "." in key.rpartition("/")[2] else key
            known = {one for (one,) in rows_of(found, "key") if below(one, folder)}
            more = (entry for entry in step.store.list(folder) if below(entry.key, key) and entry.key not in known)
            found = pa.concat_tables([found, listed(more)])
        if not any(below(one, key) for (one,) in rows_of(found, "key")):
            raise ConfigError(f"adopt: labels {key}: {step.store.url} has no such file or folder")
    return found.sort_by("key")


def labels_and_files(step: StepRun[Any], asked: Adopt, prefix: str) -> tuple[Labels | None, pa.Table]:
    """Labels, and the image files by key: LISTED with SEEN. Only what the labels do not say is read of the objects.

    A size is null where nobody knows it. An image that no label names needs none: it is left out.
    """
    entries = listing(step, prefix, asked.labels)
    is_wanted = (is_image(key) and key.startswith(f"{prefix}/") for (key,) in rows_of(entries, "key"))
    images = entries.filter(pa.array(is_wanted, pa.bool_()))
    if not len(images):
        raise ConfigError(f"adopt: {step.store.url}/{prefix}: no image below it; expected a folder of the store with images")
    everyone = np.ones(len(images), bool)
    if asked.format is None:
        return None, with_columns(images, look_at(step.store, images, everyone, step.log))
    format_, paths = FORMATS[asked.format], entries["key"].to_pylist()
    labelled = tuple(label.strip("/") for label in asked.labels)
    if format_.states_sizes:
        labels = format_.read(Tree(paths, step.store.read, lambda key: (0, 0), labelled))
        stated, used = stated_sizes(labels, images)
        seen = look_at(step.store, images, used & (stated[:, 0] == 0), step.log)
        sizes = (pa.array(side, mask=side == 0) for side in stated.T)
        sides = [pc.coalesce(size, seen[name]) for size, name in zip(sizes, ("width_px", "height_px"), strict=True)]
        return labels, with_columns(images, pa.table([seen["md5"], *sides], seen.schema))
    seen = look_at(step.store, images, everyone, step.log)
    return format_.read(Tree(paths, step.store.read, Sizes(images, seen), labelled)), with_columns(images, seen)


class Sizes:
    """Size in pixels by key. Raises OSError for what is no image."""

    def __init__(self, images: pa.Table, seen: pa.Table) -> None:
        self.images, self.seen = images, seen

    @cached_property
    def positions(self) -> dict[str, int]:
        """Made for the first question: not every format has one."""
        return {key: position for position, (key,) in enumerate(rows_of(self.images, "key"))}

    def __call__(self, key: str) -> tuple[int, int]:
        ((width, height),) = rows_of(self.seen.slice(self.positions[key], 1), "width_px", "height_px")
        if width is None:
            raise OSError(key)
        return width, height


def with_columns(left: pa.Table, right: pa.Table) -> pa.Table:
    return pa.Table.from_arrays([*left.columns, *right.columns], names=[*left.column_names, *right.column_names])


def stated_sizes(labels: Labels, images: pa.Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each of the images: width and height that labels state (0: none), and whether they name it."""
    sizes, used = np.zeros((len(images), 2), np.int64), np.zeros(len(images), bool)
    for image, position in zip(labels.images, positions_of(labels.images, images), strict=True):
        if position >= 0:
            used[position] = True
            if image.width_px and image.height_px:
                sizes[position] = image.width_px, image.height_px
    return sizes, used


def by_md5(files: pa.Table, used: pa.ChunkedArray) -> Iterator[Lies]:
    """Where the used files lie, in the order of their md5s."""
    order = pc.sort_indices(files["md5"]).to_numpy()
    return map(Lies._make, rows_at(files, pa.array(order[used.to_numpy()[order]]), *Lies._fields))


def copied(step: StepRun[Any], one: Lies) -> bool:
    """Whether there was something to copy. Raises BadInputError where the object is not what was listed any more."""
    key = content_key(one.md5)
    step.content.condemned.spare(one.md5)
    if step.store.exists(key):
        return False
    step.store.copy(one.key, key)
    if (found := streamed_md5(step.store, key)) != one.md5:
        step.store.delete(key)
        raise BadInputError(f"{one.key}: changed while it was adopted: md5 {found}, expected {one.md5}; adopt again")
    return True
