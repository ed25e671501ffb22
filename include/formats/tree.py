"""The files of a data set, wherever they lie: a folder here, or a prefix of the bucket. Readers see nothing else."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image, ImageFile

from include.storage.content import in_threads
from include.upright import upright_size

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
READ_AT_ONCE = 512  # label files that are in memory together
SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def below(path: str, folder: str) -> bool:
    """`folder` may be the file itself, or empty for all."""
    return not folder or path == folder or path.startswith(folder.rstrip("/") + "/")


def split_in(path: str) -> str | None:
    """The split that a path names in one of its parts, the last one first: `images/train/a.jpg`, `instances_val2017.json`."""
    for part in reversed(PurePosixPath(path).parts):
        found = {SPLIT_WORDS[word] for word in re.findall(r"[a-z]+", part.lower()) if word in SPLIT_WORDS}
        if len(found) == 1:
            return found.pop()
    return None


def composed(path: str) -> str:
    """One spelling of letters with marks: macOS writes ä as two characters (NFD), most label files as one."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def harmless(name: object) -> str | None:
    """A relative path as a label file gives it, or None for what leaves its folder or cannot be one. `./`, `//` are harmless."""
    if not isinstance(name, str) or "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        return None
    return "/".join(parts)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height, upright, from the first bytes of an image; None if these bytes do not say yet, or are no image."""
    parser = ImageFile.Parser()
    try:
        parser.feed(data)
        image = parser.image
        return size_in(io.BytesIO(data)) if image is None else upright_size(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def size_in(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height, upright, of an image file, of which little more than the header is read; None for what is no image."""
    try:
        with Image.open(file) as image:
            return upright_size(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


@dataclass
class Tree:
    """`paths`: every file. `labels`: files or folders in which labels are looked for; none: everywhere.

    `is_strict`: labels may name only images that are there, by their paths; else their files are looked for by name, too.
    """

    paths: Sequence[str]
    read: Callable[[str], bytes]
    size_px: Callable[[str], tuple[int, int]]
    labels: tuple[str, ...] = ()
    is_strict: bool = False

    @cached_property
    def images(self) -> list[str]:
        return [path for path in self.paths if is_image(path)]

    @cached_property
    def _known(self) -> dict[str, str]:
        """By its path, and by that in the other spelling."""
        return {composed(path): path for path in self.images} | {path: path for path in self.images}

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        """None: several files have the name."""
        found: dict[str, str | None] = {}
        for path in self.images:
            name = composed(path.rpartition("/")[2])
            found[name] = None if name in found else path
        return found

    def label_files(self, *suffixes: str) -> list[str]:
        """In the order of their names."""
        asked = self.labels or ("",)
        return sorted(
            path for path in self.paths
            if path.lower().endswith(suffixes) and any(below(path, folder) for folder in asked)
        )  # fmt: skip

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Path and bytes, in order, read by many threads; few at a time are in memory."""
        waiting = iter(paths)
        while some := list(islice(waiting, READ_AT_ONCE)):
            yield from zip(some, in_threads(self.read, some), strict=True)

    def locate(self, name: str, *folders: str) -> str:
        """The image file that a label file means: in one of the folders, or the only one of that name. Else the name itself."""
        for folder in (*folders, ""):
            path = str(PurePosixPath(folder, name))
            if (found := self._known.get(path) or self._known.get(composed(path))) is not None:
                return found
        return name if self.is_strict else self._by_name.get(composed(name.rpartition("/")[2])) or name

    def lacks(self, path: str) -> bool:
        """A label file must not name this image."""
        return self.is_strict and path not in self._known


def local_tree(folder: Path, labels: tuple[str, ...] = ()) -> Tree:
    """A folder on this machine. Hidden files and folders, and links that lead out of it, are left out."""
    root = folder.resolve()
    found = (path for path in root.rglob("*") if path.is_file() and path.resolve().is_relative_to(root))
    paths = sorted(path.relative_to(root).as_posix() for path in found)
    shown = [path for path in paths if not any(part.startswith(".") for part in path.split("/"))]
    return Tree(shown, lambda path: (root / path).read_bytes(), lambda path: _local_size(root / path), labels)


def _local_size(path: Path) -> tuple[int, int]:
    """Raises OSError for what is no image."""
    with Image.open(path) as image:
        return upright_size(image)
