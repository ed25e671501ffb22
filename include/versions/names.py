"""One path for each image of a dataset, which any file system can hold beside the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath


class Names:
    """Paths that are taken. Two that differ only by case, or a file where another has a folder, do not go together."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()
        for relpath in taken:
            self._add(relpath)

    def _add(self, relpath: str) -> None:
        self.files.add(relpath.casefold())
        self.folders.update(str(folder).casefold() for folder in PurePosixPath(relpath).parents)

    def _is_free(self, relpath: str) -> bool:
        folders = {str(folder).casefold() for folder in PurePosixPath(relpath).parents}
        return relpath.casefold() not in self.files and relpath.casefold() not in self.folders and not folders & self.files

    def take(self, relpath: str, md5: str) -> str:
        """`relpath` itself if it is free; else, for other bytes under a known name, with the start of their md5 in it."""
        if not self._is_free(relpath):
            path = PurePosixPath(relpath)
            relpath = str(path.with_name(f"{path.stem}.{md5[:8]}{path.suffix}"))
        if not self._is_free(relpath):  # a file in the way further up
            relpath = f"images/by_md5/{md5}{PurePosixPath(relpath).suffix}"
        self._add(relpath)
        return relpath
