"""Pictures from pictures, in worker processes: fetch, decode once, edit, encode, put by content.

A version's boxes are of the upright picture (include/upright.py); new files are stored upright and carry no EXIF, and every
viewer shows them as the boxes see them. Colour profiles are kept. Of an
animation, the first picture. Alpha is dropped where the format has none, as training drops it.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image, ImageEnhance

from include.errors import BadInputError
from include.storage import ContentStore, open_store
from include.storage.content import in_threads
from include.upright import turn_of, upright, upright_size
from include.versions.operations.edits import Edit

SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",)}
READABLE = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")  # as validate_annotations accepts them
MODES = ("L", "RGB", "RGBA", "LA", "I;16")
QUALITY = 95


@dataclass(frozen=True)
class Task:
    """The edits of one picture, and how the results are written."""

    md5: str
    relpath: str
    size: tuple[int, int]
    edits: tuple[Edit, ...]
    format: str
    quality: int | None


@dataclass(frozen=True)
class New:
    """One stored result; the picture's own md5 where nothing had to change."""

    md5: str
    size_bytes: int
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class Redrawn:
    """The files of several tasks, in order; or what is wrong with their pictures."""

    files: list[New]
    problems: list[str]


def start_worker(url: str) -> None:
    """What each process needs once. It ends with the process that started it, even if that one is killed."""
    global content  # a pool hands its workers nothing else to keep
    content = ContentStore(open_store(url))
    Image.MAX_IMAGE_PIXELS = None  # what is in a version was accepted by size before
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


content: ContentStore


def redraw(tasks: Sequence[Task], record: str) -> Redrawn:
    """All results are stored, then noted under the key `record`; or what is wrong with the pictures, and no record."""
    files, problems = list[New](), []
    for task in tasks:
        try:
            files += _redraw_one(task)
        except BadInputError as error:
            problems.append(f"{task.relpath}: {error}")
        except (OSError, SyntaxError, ValueError) as error:
            problems.append(f"{task.relpath} (md5 {task.md5}): {error}")
    if not problems:
        content.store.create(record, json.dumps([asdict(file) for file in files]).encode())
    return Redrawn(files, problems)


def _redraw_one(task: Task) -> list[New]:
    data = content.get(task.md5)
    with Image.open(io.BytesIO(data), formats=READABLE) as image:
        form = task.format.upper() if task.format != "same" else (image.format if image.format in SUFFIXES else "PNG")
        size = upright_size(image)
        if size != task.size:
            raise BadInputError(f"got {size[0]}×{size[1]} px, expected {task.size[0]}×{task.size[1]}")
        if task.quality is None and image.format == form and _changes_nothing(task) and turn_of(image) is None:
            return [New(task.md5, len(data), SUFFIXES[form])]
        profile = image.info.get("icc_profile") if image.mode in MODES else None
        turned = upright(image)
        pixels = turned if turned.mode in MODES else turned.convert("RGBA" if image.has_transparency_data else "RGB")
    files = [encode(edited(pixels, edit), form, task.quality or QUALITY, profile) for edit in task.edits]
    md5s = in_threads(content.put, files, threads=8)
    return [New(md5, len(file), SUFFIXES[form]) for md5, file in zip(md5s, files, strict=True)]


def _changes_nothing(task: Task) -> bool:
    return task.edits == (Edit((0, 0, *task.size), task.size),)


def edited(image: Image.Image, edit: Edit) -> Image.Image:
    """The new picture."""
    left, top, width, height = edit.region
    if edit.region != (0, 0, *image.size):
        image = image.crop((left, top, left + width, top + height))
    if edit.size != image.size:
        image = image.resize(edit.size, Image.Resampling.LANCZOS)
    if edit.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[edit.quarter_turns]
    if turns is not None:
        image = image.transpose(turns)
    if edit.brightness != 1:
        image = ImageEnhance.Brightness(image).enhance(edit.brightness)
    return ImageEnhance.Contrast(image).enhance(edit.contrast) if edit.contrast != 1 else image


def encode(image: Image.Image, form: str, quality: int, profile: bytes | None) -> bytes:
    """A file's bytes: the same for the same picture and Pillow."""
    if image.mode == "I;16" and form != "PNG":
        raise ValueError(f"16 bits per pixel do not fit {form}; choose png")
    if form == "JPEG" and image.mode in ("RGBA", "LA"):
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    how: dict[str, Any] = {} if form == "PNG" else {"quality": quality}
    image.info.clear()  # what the old file said of itself: comments, EXIF, transparency
    if profile:
        how["icc_profile"] = profile
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()
