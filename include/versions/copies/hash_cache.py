"""What is known of a folder's files without reading them: their md5, by path, inode, time of change and size.

One SQLite file per folder, in the user's cache ($XDG_CACHE_HOME/visionloop/folders); it can be thrown away at any time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from include.storage.content import md5_of
from include.versions.copies.folders import FileState

SETTLED_NS = 2_000_000_000  # a file changed less than 2 s ago may change again within the grain of its time: not remembered
BATCH = 1000
TABLE = """CREATE TABLE IF NOT EXISTS files (relpath TEXT PRIMARY KEY, inode INTEGER, mtime_ns INTEGER, size_bytes INTEGER,
 md5 TEXT, written INTEGER) WITHOUT ROWID"""


def cache_file(folder: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "visionloop" / "folders" / f"{md5_of(os.fsencode(folder.resolve()))}.sqlite"


class HashCache:
    """Used as a context. `written`: this project wrote the file, and may replace it while it is unchanged."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.database = _open(path or cache_file(folder))
        rows = self.database.execute("SELECT relpath, inode, mtime_ns, size_bytes, md5, written FROM files")
        self.known: dict[str, tuple[int, int, int, str, int]] = {row[0]: row[1:] for row in rows}
        self.unsaved: list[tuple[str | int, ...]] = []

    def md5(self, relpath: str, state: FileState) -> str | None:
        """None where the file is not known, or has changed since."""
        known = self.known.get(relpath)
        return known[3] if known is not None and known[:3] == state else None

    def wrote(self, relpath: str, state: FileState) -> bool:
        """The file is as a checkout left it."""
        return self.md5(relpath, state) is not None and bool(self.known[relpath][4])

    def remember(self, relpath: str, state: FileState, md5: str, written: bool = False) -> None:
        if not written and state[1] > time.time_ns() - SETTLED_NS:
            return
        self.known[relpath] = (*state, md5, written)
        self.unsaved.append((relpath, *state, md5, written))
        if len(self.unsaved) >= BATCH:
            self.save()

    def forget(self, relpaths: Iterable[str]) -> None:
        """Files that are no more."""
        gone = [(relpath,) for relpath in relpaths if self.known.pop(relpath, None)]
        with self.database:
            self.database.executemany("DELETE FROM files WHERE relpath = ?", gone)

    def save(self) -> None:
        with self.database:
            self.database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", self.unsaved)
        self.unsaved.clear()

    def __enter__(self) -> HashCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.save()
        self.database.close()


def _open(path: Path) -> sqlite3.Connection:
    """The database; a damaged one is made anew; in memory where no file can be (a container's read-only home)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # it cannot be opened or written: not its contents' fault
            return _connect(":memory:")
        path.unlink(missing_ok=True)
        return _connect(str(path))
    except OSError:
        return _connect(":memory:")


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=60)
    database.execute("PRAGMA synchronous = OFF")  # what a power cut loses is hashed again
    database.execute(TABLE)
    database.execute("SELECT count(*) FROM files").fetchone()  # a damaged file shows here
    return database
