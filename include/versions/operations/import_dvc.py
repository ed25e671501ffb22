"""A DVC-tracked folder becomes a version with the same digest; what our bucket has already is not sent again."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import obstore
import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from include.artifacts import DatasetVersion
from include.artifacts.base import Md5
from include.errors import BadInputError, ConfigError
from include.step.step_run import StepRun
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key, md5_of
from include.storage.store import environment_endpoint
from include.storage.threads import as_they_end
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Contents
from include.versions.folders import check_relpaths
from include.versions.listing import DIR, listing_bytes
from include.versions.publish import Made
from include.versions.splits import SplitFractions, split_of
from include.versions.tracked_labels import Labels, read_labels
from include.versions.upload import THREADS, present

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}


class ImportDvc(BaseModel):
    """`digest` is that of the .dvc file, `remote` the URL of its objects (a folder or s3://…), `endpoint` the S3 server there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Literal["import_dvc"]
    digest: Md5
    remote: str
    endpoint: str | None = None
    split: SplitFractions = Field(default=SplitFractions(), description="of images that no annotations/<split>.json names")


@dataclass(frozen=True)
class _Object:
    md5: str
    size_bytes: int
    size_px: tuple[int, int] | None
    copied: bool


def apply(step: StepRun[Any], parents: Sequence[DatasetVersion], asked: ImportDvc) -> Made:
    """The folder as it was tracked. Raises BadInputError naming objects that the remote lacks, or that are damaged."""
    remote = ContentStore(_open_remote(asked))
    files = _tracked_files(remote, asked.digest)
    source = _Source(step.content, remote.store, _is_same_bucket(step.store, remote.store, asked.endpoint))
    pictures = {md5 for relpath, md5 in files.items() if PurePosixPath(relpath).suffix.lower() in PICTURES}
    wanted = sorted(set(files.values()))
    source.there = present(step.store, len(wanted)) or set()
    objects = {one.md5: one for one in as_they_end(lambda md5: source.take(md5, md5 in pictures), wanted, THREADS)}
    labels = read_labels(step.content, files)
    contents = contents_of(files, objects, labels, asked, step.config.name)
    counts = {
        "files": len(files),
        "images": len(contents.images),
        "objects_copied": sum(one.copied for one in objects.values()),
        "objects_there_before": sum(not one.copied for one in objects.values()),
        "pictures_not_readable": sum(objects[md5].size_px is None for md5 in pictures),
    }
    return Made(contents, labels.classes, counts, files=files, sizes={one.md5: one.size_bytes for one in objects.values()})


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


def _is_same_bucket(ours: Store, remote: Store, endpoint: str | None) -> bool:
    same_server = (endpoint or environment_endpoint() or "").rstrip("/") == (environment_endpoint() or "").rstrip("/")
    return ours.url.startswith("s3://") and same_server and ours.url.split("/")[2] == remote.url.split("/")[2]


class _Source:
    """Objects of the remote, taken over into our store where it lacks them."""

    def __init__(self, ours: ContentStore, remote: Store, is_same_bucket: bool) -> None:
        self.ours, self.remote, self.is_same_bucket = ours, remote, is_same_bucket
        self.there: set[str] = set()
        self.bucket = open_store("/".join(ours.store.url.split("/")[:3])) if is_same_bucket else None

    def take(self, md5: str, is_picture: bool) -> _Object:
        """One object, checked. A picture's size in pixels is read from its bytes, never believed."""
        key = content_key(md5)
        if md5 in self.there or self.ours.store.exists(key):
            if not is_picture:
                return _Object(md5, int(obstore.head(self.ours.store.backend, key)["size"]), None, False)
            data = self.ours.get(md5)
            return _Object(md5, len(data), picture_size(data), False)
        try:
            data = self.remote.read(key)
        except FileNotFoundError:
            raise BadInputError(f"{self.remote.url}/{key}: missing; run `dvc push` where the folder was tracked") from None
        if (found := md5_of(data)) != md5:
            raise BadInputError(f"{self.remote.url}/{key}: damaged: md5 {found}, expected {md5}; push it again")
        self._keep(key, data)
        return _Object(md5, len(data), picture_size(data) if is_picture else None, True)

    def _keep(self, key: str, data: bytes) -> None:
        if self.bucket is None:
            self.ours.store.create(key, data)
            return
        source, target = (f"{one.url.split('/', 3)[3]}/{key}" if one.url.count("/") > 2 else key
                          for one in (self.remote, self.ours.store))  # fmt: skip
        obstore.copy(self.bucket.backend, source, target)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no picture."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def contents_of(
    files: Mapping[str, str], objects: Mapping[str, _Object], labels: Labels, asked: ImportDvc, name: str
) -> Contents:
    """One row per picture (the first path of equal bytes), with the labels of every path that it has."""
    images: dict[str, dict[str, Any]] = {}
    for relpath in sorted(files):
        md5 = files[relpath]
        found = objects[md5]
        if found.size_px is not None and md5 not in images:
            said = labels.images.get(md5)
            group = (said.group if said else None) or md5
            split = (said.split if said else None) or split_of(group, asked.split.by_split)
            images[md5] = dict(zip(IMAGE_COLUMNS, (relpath, md5, found.size_bytes, *found.size_px, group, split, name, None,
                                                   said.attributes if said else None, None), strict=True))  # fmt: skip
    boxes = [box for box in labels.boxes if box["md5"] in images]
    return Contents(
        pd.DataFrame(list(images.values()), columns=IMAGE_COLUMNS, dtype=object),
        pd.DataFrame(boxes, columns=ANNOTATION_COLUMNS, dtype=object),
        copies=tuple(labels.copies),
    )
