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
            self._add(relpath.casefold())

    def _add(self, folded: str) -> None:
        self.files.add(folded)
        while (folded := folded.rpartition("/")[0]) and folded not in self.folders:
            self.folders.add(folded)

    def _is_free(self, folded: str) -> bool:
        if folded in self.files or folded in self.folders:
            return False
        # above a known folder no file is in the way
        while (folded := folded.rpartition("/")[0]) and folded not in self.folders:
            if folded in self.files:
                return False
        return True

    def take(self, relpath: str, md5: str) -> str:
        """`relpath` itself if it is free; else, for other bytes under a known name, with the start of their md5 in it."""
        if not self._is_free(relpath.casefold()):
            path = PurePosixPath(relpath)
            relpath = str(path.with_name(f"{path.stem}.{md5[:8]}{path.suffix}"))
        if not self._is_free(relpath.casefold()):  # a file in the way further up
            relpath = f"images/by_md5/{md5}{PurePosixPath(relpath).suffix}"
        folded = relpath.casefold()
        self._add(relpath if folded == relpath else folded)  # one string where it can be
        return relpath
