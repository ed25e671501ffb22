"""Unpack an archive that anybody may have made: as a whole, or not at all.

No name of the archive ever becomes a path here: files are written under numbers. Refused: names that leave the archive or cannot
be told apart, links and devices, encryption, what grows beyond `Limits`, what is cut short or damaged. Archives within it are not
unpacked. Memory: a megabyte of data, and about 200 bytes for each entry.
"""

from __future__ import annotations

import errno
import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from include.formats.tree import harmless
from include.labelling.files import ARCHIVES
from include.labelling.items import Refused

NESTED = (*ARCHIVES, ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
CHUNK_BYTES = 2**20
HEADER_BYTES_MAX = 2**24  # a tar's header for a long name or other attributes; longer ones exist only to fill memory


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


def unpack(archive: Path, kind: str, folder: Path, limits: Limits | None = None) -> Unpacked:
    """Into `folder`, which must be empty. `kind`: the archive's name, for its suffix. Raises Refused."""
    growing = _Growing(folder, archive.stat().st_size, limits or Limits())
    try:
        (_zip if kind.lower().endswith(".zip") else _tar)(archive, growing)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, struct.error, UnicodeError) as error:
        raise Refused(
            f"damaged or cut short: {error or type(error).__name__}; expected a whole {_suffix(kind)} archive"
        ) from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError, OSError) as error:
        if (
            isinstance(error, OSError) and error.errno != errno.EINVAL
        ):  # a seek to nowhere; any other is ours, such as a full disk
            raise
        raise Refused(f"not readable: {error}; expected a plain {_suffix(kind)} archive") from None
    if not growing.found.files:
        raise Refused("no file in it; expected images with their labels")
    return growing.found


def _suffix(kind: str) -> str:
    return next((suffix for suffix in reversed(ARCHIVES) if kind.lower().endswith(suffix)), "zip")


class _Growing:
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


def _zip(archive: Path, growing: _Growing) -> None:
    with archive.open("rb") as file:
        if (listed := _listing_bytes(file)) > growing.limits.entries * 300:
            raise Refused(f"a listing of {listed} bytes; expected at most {growing.limits.entries} entries")
        with zipfile.ZipFile(file) as opened:
            for entry in opened.infolist():
                if entry.orig_filename != entry.filename:
                    raise Refused(f"entry {entry.orig_filename!r:.120}: expected a relative path with /, inside the archive")
                path = growing.enter(entry.filename, entry.is_dir())
                _refuse_odd_entry(entry)
                if not entry.is_dir():
                    with opened.open(entry) as data:
                        growing.keep(path, data)


def _refuse_odd_entry(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"entry {entry.filename!r:.120}: a link or device; expected files and folders")
    if entry.flag_bits & 0x1:
        raise Refused(f"entry {entry.filename!r:.120}: encrypted; expected an archive without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"entry {entry.filename!r:.120}: compression {entry.compress_type}; expected deflate (8) or none (0)")


def _listing_bytes(file: IO[bytes]) -> int:
    """Of the central directory, as the archive's end says: zipfile reads it as a whole. 0 where there is no such end."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    end = file.read()
    at = end.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(end):
        return 0
    listed = int(struct.unpack_from("<L", end, at + 12)[0])
    wide = end.rfind(b"PK\6\6", 0, at)
    return int(struct.unpack_from("<Q", end, wide + 40)[0]) if listed == 0xFFFFFFFF and wide >= 0 else listed


def _tar(archive: Path, growing: _Growing) -> None:
    with _opened(archive) as raw:
        sober = _Sober(raw, growing)
        with tarfile.open(fileobj=sober, mode="r:") as opened:  # type: ignore[call-overload]  # has all that is asked of it
            while (entry := opened.next()) is not None:
                opened.members.clear()  # it would keep every header
                if not (entry.isreg() or entry.isdir()) or entry.issparse():
                    raise Refused(f"entry {entry.name!r:.120}: a link, device or sparse file; expected files and folders")
                path = growing.enter(entry.name, entry.isdir())
                if entry.isreg() and (data := opened.extractfile(entry)) is not None:
                    growing.keep(path, data)
        # tarfile takes the end of the file, and any nonsense, for the end of the archive
        if sober.last_block != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark")


@contextmanager
def _opened(archive: Path) -> Iterator[IO[bytes]]:
    """Plain or gzip, whatever the name says."""
    with archive.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_gzip:
            yield file
        else:
            with gzip.open(file) as unzipped:
                yield unzipped  # type: ignore[misc]


class _Sober:
    """A file that refuses to read very much at once, and to skip beyond the limits: as headers can demand of tarfile."""

    def __init__(self, raw: IO[bytes], growing: _Growing) -> None:
        self.raw, self.growing, self.last_block = raw, growing, b""
        self.tell = raw.tell

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= HEADER_BYTES_MAX:
            raise Refused(f"a header of {count} bytes; expected at most {HEADER_BYTES_MAX}")
        data = self.raw.read(count)
        if count == tarfile.BLOCKSIZE:
            self.last_block = data
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        if (skipped := to - self.raw.tell()) > tarfile.RECORDSIZE:
            self.growing.grow(skipped)
        return self.raw.seek(to, whence)
