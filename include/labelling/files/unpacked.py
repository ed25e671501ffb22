"""What grows while an archive is unpacked, and how far it may."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from include.formats.tree import harmless
from include.labelling.files.connector import ARCHIVES
from include.labelling.items import Refused

NESTED = (*ARCHIVES, ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to. The ratio counts from the first `unpacked_bytes_free` on: small files compress well."""

    entries: int = 2_000_000
    unpacked_bytes: int = 200 * 2**30
    file_bytes: int = 2**30  # each file is read as a whole later
    ratio: int = 100
    unpacked_bytes_free: int = 2**28


@dataclass
class Unpacked:
    """`files`: where each file lies, by its name in the archive. `nested`: archives in it that were not unpacked."""

    files: dict[str, Path] = field(default_factory=dict)
    nested: list[str] = field(default_factory=list)


class Growing:
    """What was unpacked so far, held against the limits."""

    def __init__(self, folder: Path, archive_bytes: int, limits: Limits) -> None:
        self.folder, self.archive_bytes, self.limits = folder, archive_bytes, limits
        self.found = Unpacked()
        self.entries = self.unpacked_bytes = 0
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def enter(self, name: str, is_folder: bool) -> str:
        """The name as it may be used. Raises Refused."""
        self.entries += 1
        if self.entries > self.limits.entries:
            raise Refused(f"more than {self.limits.entries} entries")
        path = harmless(name.rstrip("/") if is_folder else name)
        if path is None and is_folder and name.rstrip("/") in ("", "."):
            return ""
        if path is None:
            raise Refused(f"entry {name!r:.120}: expected a relative path with /, inside the archive")
        above = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        self._folders.update(above)
        twice = path in self._files or (not is_folder and path in self._folders) or not self._files.isdisjoint(above)
        if twice:
            raise Refused(f"entry {name!r:.120}: stands there twice; expected each name once")
        (self._folders if is_folder else self._files).add(path)
        return path

    def grow(self, count: int) -> None:
        self.unpacked_bytes += count
        most = min(self.limits.unpacked_bytes, max(self.limits.unpacked_bytes_free, self.limits.ratio * self.archive_bytes))
        if self.unpacked_bytes > most:
            raise Refused(f"unpacks to more than {most} bytes from {self.archive_bytes}; expected no archive bomb")

    def keep(self, path: str, data: IO[bytes]) -> None:
        """Write one file. Archives, and what systems leave behind (.DS_Store, __MACOSX/._a.jpg), are left out."""
        if path.rpartition("/")[2].startswith("."):
            self._copy(path, data, None)
        elif path.lower().endswith(NESTED):
            self.found.nested.append(path)
            self._copy(path, data, None)
        else:
            number = len(self.found.files)
            place = self.folder / f"{number // 1000}" / f"{number}"
            place.parent.mkdir(exist_ok=True)
            with place.open("wb") as out:
                self._copy(path, data, out)
            self.found.files[path] = place

    def _copy(self, path: str, data: IO[bytes], out: IO[bytes] | None) -> None:
        size = 0
        while chunk := data.read(CHUNK_BYTES):
            size += len(chunk)
            self.grow(len(chunk))
            if size > self.limits.file_bytes:
                raise Refused(f"file {path!r:.120}: unpacks to more than {self.limits.file_bytes} bytes; expected smaller files")
            if out is not None:
                out.write(chunk)
