"""The files of a local folder, and which paths a version may ask for in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from include.errors import BadInputError

STAGING = ".visionloop-checkout"  # where a checkout writes aside: never part of a folder's contents


# Inode, time of change in ns, size in bytes: changes whenever a file's bytes are changed by usual means. A plain tuple, because
# Python's garbage collector goes through a hundred thousand of any other kind again and again.
FileState = tuple[int, int, int]


def state_of(stat: os.stat_result) -> FileState:
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def walk(folder: Path) -> Iterator[tuple[str, FileState]]:
    """Every file below the folder by its relative path, in no order. Links to files are followed.

    Raises BadInputError for what has no bytes of its own to keep: a link to a folder, a dead link, a device, a name that is not
    UTF-8.
    """
    waiting = [("", str(folder))]
    while waiting:
        prefix, path = waiting.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                relpath = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if relpath != STAGING:
                        waiting.append((relpath + "/", entry.path))
                else:
                    yield relpath, _state(entry, relpath)


def _state(entry: os.DirEntry[str], relpath: str) -> FileState:
    try:
        relpath.encode()
        if entry.is_file():
            return state_of(entry.stat())
    except UnicodeEncodeError:
        raise BadInputError(f"{os.fsencode(entry.path)!r}: the name is not UTF-8; rename it") from None
    except OSError as error:
        raise BadInputError(f"{entry.path}: {error.strerror}") from None
    kind = "a link to nothing or to a folder" if entry.is_symlink() else "neither file nor folder"
    raise BadInputError(f"{entry.path}: {kind}; expected files: replace it or move it away")


def check_relpaths(relpaths: Iterable[str], where: str) -> None:
    """Raises BadInputError where a path would leave its folder, or is none."""
    for relpath in relpaths:
        parts = relpath.split("/")
        if not relpath or "\0" in relpath or parts[0] == STAGING or any(part in ("", ".", "..") for part in parts):
            raise BadInputError(f"{where}: got the path {relpath!r}, expected one below the folder; nothing was written")
