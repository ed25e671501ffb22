"""A DVC-tracked folder becomes a version with the same digest; what our bucket has already is not sent again.

Labels in it, of any format, are read strictly, since nothing checks them later: an entry that does not fit is an error that names
file and entry. Labels to be looked over come in as a delivery instead. Every picture is in the version; one that no label names
has no boxes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from include.artifacts import DatasetVersion
from include.artifacts.base import Md5
from include.artifacts.tables import table_of
from include.errors import BadInputError, ConfigError
from include.formats import FORMATS, FormatName, LabelledImage, Labels, Tree
from include.formats.tree import is_image
from include.step.step_run import StepRun
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key
from include.storage.threads import as_they_end
from include.versions.contents import Copy
from include.versions.copies.folders import check_relpaths
from include.versions.copies.upload import THREADS, present
from include.versions.label_rules import LabelRules
from include.versions.labelled import contents_of
from include.versions.listing import DIR, listing_bytes
from include.versions.making import FILES
from include.versions.publish import Made
from include.versions.splits import SPLITS
from include.versions.taken_over import Source, Taken

OURS = tuple(f"annotations/{split}.json" for split in SPLITS)


class ImportDvc(LabelRules):
    """`digest` is that of the .dvc file, `remote` the URL of its objects (a folder or s3://…), `endpoint` the S3 server there.

    `labels` are paths in the tracked folder; of COCO, none means annotations/<split>.json as we write them, else every COCO file.
    """

    operation: Literal["import_dvc"]
    digest: Md5
    remote: str
    endpoint: str | None = None
    format: FormatName | None = Field(default="coco", description="of the labels; null: there are none")


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: ImportDvc) -> Made:
    """The folder as it was tracked. Raises BadInputError naming objects that the remote lacks, or that are damaged."""
    remote = ContentStore(_open_remote(asked))
    files = _tracked_files(remote, asked.digest)
    images = {md5 for relpath, md5 in files.items() if is_image(relpath)}
    wanted = sorted(set(files.values()))
    source = Source(step.content, remote.store, asked.endpoint, present(step.content, len(wanted)) or set())
    objects = {one.md5: one for one in as_they_end(lambda md5: source.take(md5, md5 in images), wanted, THREADS)}
    first = {files[relpath]: relpath for relpath in sorted(files, reverse=True)}  # of equal bytes the first path is the image's
    pictures = sorted(
        (first[one.md5], one.md5, one.size_bytes, *one.size_px) for one in objects.values() if one.size_px is not None
    )  # fmt: skip
    labels, copies = labels_of_all(read_labels(step.content, files, objects, asked), files, [row[:2] for row in pictures])
    rules = asked if asked.classes is not None else asked.model_copy(update={"classes": tuple(labels.classes)})
    contents, classes, left_out = contents_of(rules, labels, table_of(pictures, FILES), step.config.name, below=None)
    contents = replace(contents, copies=(*contents.copies, *copies))
    counts = {
        "files": len(files),
        "images": len(contents.images),
        "objects_copied": sum(one.copied for one in objects.values()),
        "objects_there_before": sum(not one.copied for one in objects.values()),
        "pictures_not_readable": sum(objects[md5].size_px is None for md5 in images),
    }
    sizes = {one.md5: one.size_bytes for one in objects.values() if one.size_px is None}
    return Made(contents, classes, counts | left_out, files=files, sizes=sizes)


def read_labels(content: ContentStore, files: Mapping[str, str], objects: Mapping[str, Taken], asked: ImportDvc) -> Labels:
    """Of the tracked files (md5 by relpath). Raises BadInputError that lists what does not fit."""
    if asked.format is None:
        return Labels()

    def size_px(relpath: str) -> tuple[int, int]:
        if (size := objects[files[relpath]].size_px) is None:
            raise OSError(relpath)
        return size

    ours = tuple(relpath for relpath in OURS if relpath in files) if asked.format == "coco" else ()
    tree = Tree(sorted(files), lambda relpath: content.get(files[relpath]), size_px, asked.labels or ours, is_strict=True)
    labels = FORMATS[asked.format].read(tree)
    if problems := labels.problems.count:
        said = labels.problems.first
        more = f"\n… and {problems - len(said)} more" if problems > len(said) else ""
        raise BadInputError(f"{problems} label entries do not fit:\n" + "\n".join(said) + more)
    return labels


def labels_of_all(
    labels: Labels, files: Mapping[str, str], pictures: Sequence[Sequence[str]]
) -> tuple[Labels, list[Copy]]:  # fmt: skip
    """One record for each of the pictures (path and md5), with the boxes of every path that its bytes have; the same box once.

    And the paths whose bytes are stated to lie in two splits.
    """
    said: dict[str, LabelledImage] = {}
    copies: list[Copy] = []
    for image in labels.images:
        md5 = files[image.path]
        before = said.get(md5, image)
        if None not in (before.split, image.split) and before.split != image.split:
            copies.append(Copy(md5, image.path, image.group or md5, str(image.split)))
        said[md5] = replace(before, boxes=tuple(dict.fromkeys((*before.boxes, *image.boxes))))
    labels.images = [replace(said[md5], path=path) if md5 in said else LabelledImage(path) for path, md5 in pictures]
    return labels, copies


def _open_remote(asked: ImportDvc) -> Store:
    url = asked.remote if "://" in asked.remote else f"file://{asked.remote}"
    if url.startswith("file://") and not Path(url.removeprefix("file://")).is_dir():
        raise ConfigError(f"{asked.remote}: no such folder; expected the DVC remote's (a local path, or s3://bucket/prefix)")
    return open_store(url, asked.endpoint)


def _tracked_files(remote: ContentStore, digest: str) -> dict[str, str]:
    """The listing, checked to be what we would write: only so can the digest stay the same."""
    if not remote.store.exists(content_key(digest + DIR)):
        raise BadInputError(
            f"{remote.store.url}/{content_key(digest + DIR)}: not there; run `dvc push` where the folder is tracked, with DVC 3"
        )
    data = remote.get(digest + DIR)
    try:
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(data)}
    except (ValueError, TypeError, KeyError):
        raise BadInputError(f"{remote.store.url}/{content_key(digest + DIR)}: not a DVC directory object") from None
    check_relpaths(files, f"{remote.store.url}/{content_key(digest + DIR)}")
    if listing_bytes(files) != data:
        raise BadInputError(f"{content_key(digest + DIR)}: has entries that DVC 3 does not write; `dvc add` the folder again")
    return files
