"""Where the image files of an export go: no two in one place, nor with one label file between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from include.formats.records import LabelledImage
from include.storage.content import md5_of


def places(images: Iterable[LabelledImage], folder: Callable[[LabelledImage], str], own_stem: bool = False) -> list[str]:
    """`<folder>/<path below images/>` for each. A name that is taken (with `own_stem`: whatever its suffix) gets a mark."""
    taken: set[str] = set()
    found = []
    for image in images:
        path = PurePosixPath(folder(image), inner(image.path))
        if key(path, own_stem) in taken:
            path = path.with_name(f"{path.stem}.{md5_of(image.path.encode())[:8]}{path.suffix}")
        taken.add(key(path, own_stem))
        found.append(str(path))
    return found


def inner(path: str) -> str:
    """Below `images/`. A folder named `images` further down would mislead readers that look for the last one."""
    first, *rest = path.removeprefix("images/").split("/")
    parts = [first, *rest]
    return "/".join([*("images_" if part == "images" else part for part in parts[:-1]), parts[-1]])


def key(path: PurePosixPath, own_stem: bool) -> str:
    return str(path.with_suffix("") if own_stem else path).casefold()
