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
from pathlib import Path
from typing import IO

from include.labelling.files.connector import ARCHIVES
from include.labelling.files.unpacked import Growing, Limits, Unpacked
from include.labelling.items import Refused

HEADER_BYTES_MAX = 2**24  # a tar's header for a long name or other attributes; longer ones exist only to fill memory


def unpack(archive: Path, kind: str, folder: Path, limits: Limits | None = None) -> Unpacked:
    """Into `folder`, which must be empty. `kind`: the archive's name, for its suffix. Raises Refused."""
    growing = Growing(folder, archive.stat().st_size, limits or Limits())
    try:
        (_zip if kind.lower().endswith(".zip") else _tar)(archive, growing)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, struct.error, UnicodeError) as error:
        raise Refused(
            f"damaged or cut short: {error or type(error).__name__}; expected a whole {_suffix(kind)} archive"
        ) from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # EINVAL is a seek to nowhere; any other is ours, such as a full disk
        raise Refused(f"not readable: {error}; expected a plain {_suffix(kind)} archive") from None
    if not growing.found.files:
        raise Refused("no file in it; expected images with their labels")
    return growing.found


def _suffix(kind: str) -> str:
    return next((suffix for suffix in reversed(ARCHIVES) if kind.lower().endswith(suffix)), "zip")


def _zip(archive: Path, growing: Growing) -> None:
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


def _tar(archive: Path, growing: Growing) -> None:
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

    def __init__(self, raw: IO[bytes], growing: Growing) -> None:
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
