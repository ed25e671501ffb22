"""A version as a folder in a label format. Each file appears whole or not; what is there already is not fetched again."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from pathlib import Path
from uuid import uuid4

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.formats import FORMATS, FormatName
from include.storage import ContentStore
from include.storage.content import md5_of
from include.versions.contents import Contents
from include.versions.labelled import labels_of
from include.versions.progress import steadily

MARK = ".visionloop-export.json"


def export(
    content: ContentStore, version: DatasetVersion, folder: Path, format_name: FormatName, log: logging.Logger
) -> Counter[str]:
    """What it did, and what the format could not hold, counted. Raises ConfigError for a folder with something else in it."""
    claim(folder, {"digest": version.digest, "annotations": version.annotations_table, "format": format_name})
    contents = Contents.read(content, version)
    labels = labels_of(contents, version.classes)
    layout = FORMATS[format_name].write(labels)
    facts = {path: (md5, size) for path, md5, size in contents.images[["relpath", "md5", "size_bytes"]].itertuples(index=False)}
    wanted = [(safe(folder, place), *facts[image.path]) for image, place in zip(labels.images, layout.places, strict=True)]
    counts = Counter({f"cannot hold: {what}": count for what, count in layout.lost.items()})
    work = steadily(lambda one: fetch(content, *one), wanted, len(wanted), log, "images")
    counts["images fetched"] = sum(work)
    counts["images there already"] = len(wanted) - counts["images fetched"]
    for place, data in layout.files:
        put(safe(folder, place), data)
        counts["label files"] += 1
    return counts


def claim(folder: Path, what: dict[str, str]) -> None:
    """The folder is for this export: empty, or begun by it."""
    mark = folder / MARK
    if mark.exists():
        if json.loads(mark.read_text()) != what:
            raise ConfigError(f"{folder}: holds an export of another version or format ({MARK}); choose an empty folder")
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: not empty; choose a new or an empty folder")
    else:
        put(mark, json.dumps(what).encode())


def safe(folder: Path, place: str) -> Path:
    """Raises BadInputError for a place outside the folder."""
    path = folder / place
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(f"{place}: leaves the folder {folder}")
    return path


def fetch(content: ContentStore, path: Path, md5: str, size_bytes: int) -> bool:
    """False where it is there already, by size and md5."""
    if path.is_file() and path.stat().st_size == size_bytes and md5_of(path.read_bytes()) == md5:
        return False
    put(path, content.get(md5))
    return True


def put(path: Path, data: bytes) -> None:
    """Whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid4().hex}.part")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
