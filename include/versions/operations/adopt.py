"""Files that are in the bucket already become a version; their bytes stay where they are.

A version that was adopted so can be used, exported and checked out with visionloop. A stock `dvc pull` looks for bytes below
files/md5 alone: `copy: true` copies them there, within the server, and then it works. Until then the objects must stay as they
are: whoever changes or deletes one damages the version, and reading says so.

Killed and started again it goes on: include/versions/objects.py. Listing, labels and tables are in memory: about 4 kB an image
(measured between 2,000 and 8,000 images without labels), so the step's 4 GB hold about 900,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.formats import FORMATS, Labels, Tree
from include.formats.tree import is_image
from include.step.step_run import StepRun
from include.storage.adopted import Lies
from include.storage.content import content_key
from include.storage.store import Entry
from include.versions.contents import Contents
from include.versions.labelled import File, LabelRules, contents_of, without_labels
from include.versions.objects import Seen, look_at, streamed_md5
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
    entries = listing(step, prefix, asked.labels)
    images = [entry for entry in entries.values() if is_image(entry.key) and entry.key.startswith(f"{prefix}/")]
    if not images:
        raise ConfigError(f"adopt: {step.store.url}/{prefix}: no image below it; expected a folder of the store with images")
    labels, seen = labels_and_objects(step, asked, entries, images)
    files = {key: file for key, one in seen.items() if (file := file_of(entries[key], prefix, one, labels[1])) is not None}
    contents, classes, counts = contents_of(asked, labels[0] or without_labels(files), files, source=prefix)
    counts["files that are no readable image, left out"] += len(images) - len(files)
    used = set(contents.images["md5"])
    lie = [Lies(file.md5, key, entries[key].etag, file.size_bytes) for key, file in files.items() if file.md5 in used]
    if asked.copy_bytes:
        counts["objects copied"] += sum(steadily(lambda one: copied(step, one), lie, len(lie), step.log, "copied"))
    else:
        counts["objects adopted"] += step.content.adopted.add(lie)
    say(step, contents, counts)
    return Made(contents, classes, dict(+counts))


def say(step: StepRun[Any], contents: Contents, counts: Mapping[str, int]) -> None:
    step.log.info("%d images, %d boxes", len(contents.images), len(contents.annotations))
    for what, count in counts.items():
        step.log.info("%s: %d", what, count)


def listing(step: StepRun[Any], prefix: str, labels: Sequence[str]) -> dict[str, Entry]:
    """By key, in order: what lies below the prefix and below the labels' folders, and label files elsewhere."""
    found = {entry.key: entry for entry in step.store.list(prefix)}
    for key in (label.strip("/") for label in labels):
        if not key.startswith(f"{prefix}/"):
            folder = key.rpartition("/")[0] if "." in key.rpartition("/")[2] else key
            found |= {
                entry.key: entry for entry in step.store.list(folder) if entry.key == key or entry.key.startswith(f"{key}/")
            }
        if key not in found and not any(one.startswith(f"{key}/") for one in found):
            raise ConfigError(f"adopt: labels {key}: {step.store.url} has no such file or folder")
    return dict(sorted(found.items()))


def labels_and_objects(
    step: StepRun[Any], asked: Adopt, entries: Mapping[str, Entry], images: Sequence[Entry]
) -> tuple[tuple[Labels | None, dict[str, tuple[int, int]]], dict[str, Seen]]:
    """Labels with the sizes that they state, and what the objects say. Only what the labels do not say is read of them."""
    if asked.format is None:
        return (None, {}), look_at(step.store, images, {one.key for one in images}, step.log)
    format_, seen = FORMATS[asked.format], dict[str, Seen]()

    def size_px(key: str) -> tuple[int, int]:
        _, width, height = seen[key]
        if width is None or height is None:
            raise OSError(key)
        return width, height

    keys = tuple(label.strip("/") for label in asked.labels)
    tree = Tree(list(entries), step.store.read, size_px, keys)
    if not format_.states_sizes:
        seen |= look_at(step.store, images, {one.key for one in images}, step.log)
        return (format_.read(tree), {}), seen
    labels = format_.read(tree)
    stated = {one.path: (one.width_px, one.height_px) for one in labels.images if one.width_px and one.height_px}
    used = {image.path for image in labels.images}
    seen |= look_at(step.store, images, used - stated.keys(), step.log)
    return (labels, stated), seen


def file_of(entry: Entry, prefix: str, seen: Seen, stated: Mapping[str, tuple[int, int]]) -> File | None:
    """None where nobody knows the size. An image that no label names needs none: it is left out."""
    md5, width, height = seen
    width, height = stated.get(entry.key, (width, height))
    if width is None or height is None:
        return None
    return File(entry.key.removeprefix(f"{prefix}/"), md5, entry.size_bytes, width, height)


def copied(step: StepRun[Any], one: Lies) -> bool:
    """Whether there was something to copy. Raises BadInputError where the object is not what was listed any more."""
    key = content_key(one.md5)
    if step.store.exists(key):
        return False
    step.store.copy(one.key, key)
    if (found := streamed_md5(step.store, key)) != one.md5:
        step.store.delete(key)
        raise BadInputError(f"{one.key}: changed while it was adopted: md5 {found}, expected {one.md5}; adopt again")
    return True
