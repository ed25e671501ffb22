"""One object of the store as one local file: checked, written aside, then given its name."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from include.errors import ConfigError
from include.storage import ContentStore
from include.storage.content import content_key
from include.versions.copies.folders import FileState, state_of

Link = Literal["copy", "hard", "sym"]


@dataclass(frozen=True)
class Fetched:
    """A file in its place, as it was left; or the problem with its object."""

    relpath: str
    md5: str
    state: FileState | None
    problem: str | None = None


def md5_of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class Fetcher:
    """What the threads of one checkout share. Links need a store in a folder; elsewhere, and across file systems, bytes are
    copied.
    """  # fmt: skip

    def __init__(self, content: ContentStore, folder: Path, staging: Path, link: Link) -> None:
        self.content, self.store, self.folder, self.staging = content, content.store, str(folder), str(staging)
        self.link = link if self.store.folder is not None else "copy"
        self.made = {self.folder}

    def fetch(self, wanted: tuple[str, str]) -> Fetched:
        """`wanted`: relpath and md5."""
        relpath, md5 = wanted
        aside, target = f"{self.staging}/{threading.get_ident()}", f"{self.folder}/{relpath}"
        try:
            found = self._bring(md5, aside)
        except FileNotFoundError as error:
            if error.filename is not None:  # a local file or folder, not the object
                raise
            return Fetched(relpath, md5, None, f"{self.store.url}/{content_key(md5)}: missing ({relpath})")
        if found != md5:
            return Fetched(relpath, md5, None, f"{self.store.url}/{content_key(md5)}: md5 {found}, expected {md5} ({relpath})")
        self._make_folder(target.rpartition("/")[0])
        os.replace(aside, target)
        return Fetched(relpath, md5, state_of(os.stat(target)))

    def _make_folder(self, folder: str) -> None:
        if folder not in self.made:
            os.makedirs(folder, exist_ok=True)
            self.made.add(folder)

    def _bring(self, md5: str, aside: str) -> str:
        """The object's bytes, or a link to them, at `aside`; returns their md5."""
        if self.link == "copy":
            return self._copy(md5, aside)
        assert self.store.folder is not None
        sources = (self.store.folder / key for key in self._keys(md5))
        if (source := next((one for one in sources if one.exists()), None)) is None:
            raise FileNotFoundError
        found = md5_of_file(source)
        if os.path.lexists(aside):
            os.unlink(aside)  # renaming one name of a file onto another of its names leaves both
        if self.link == "sym":
            os.symlink(source.resolve(), aside)
            return found
        try:
            source.chmod(0o444)  # as DVC does: who writes to the link would change the store
            os.link(source, aside)
        except OSError:
            return self._copy(md5, aside)
        return found

    def _keys(self, md5: str) -> Iterator[str]:
        """Where the bytes may lie: by content, or where they were adopted."""
        yield content_key(md5)
        yield from self.content.adopted.keys(md5)

    def _copy(self, md5: str, aside: str) -> str:
        for key in self._keys(md5):
            try:
                return self._copy_from(key, aside)
            except FileNotFoundError as error:
                if error.filename is not None:
                    raise
        raise FileNotFoundError

    def _copy_from(self, key: str, aside: str) -> str:
        running = hashlib.md5(usedforsecurity=False)
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            for chunk in self.store.chunks(key):
                running.update(chunk)
                _write(file, memoryview(chunk))
        finally:
            os.close(file)
        return running.hexdigest()


def _write(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]


def link_of(name: str) -> Link:
    """Raises ConfigError for what is no kind of link."""
    known: dict[str, Link] = {"copy": "copy", "hard": "hard", "sym": "sym"}
    if name not in known:
        raise ConfigError(f"--link: got {name!r}, expected copy, hard or sym")
    return known[name]
