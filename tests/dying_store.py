"""A store whose process dies: from its n-th write on, nothing more is written, and nothing after it runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from include.storage import Store, open_store


class Killed(BaseException):
    """As SIGKILL: no `except Exception` sees it."""


class DyingStore(Store):
    def __init__(self, url: str, writes_left: int) -> None:
        alive = open_store(url)
        super().__init__(url, alive.backend)
        self.writes_left = writes_left

    def _write_one(self) -> None:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise Killed

    def write(self, key: str, data: bytes) -> None:
        self._write_one()
        super().write(key, data)

    def create(self, key: str, data: bytes) -> bool:
        self._write_one()
        return super().create(key, data)


def state(folder: Path) -> dict[str, str]:
    """What a store holds: md5 by key; of cards, which hold times, only that they are there."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        key: "a card" if key.endswith(".json") and not key.startswith("inbox") else hashlib.md5(path.read_bytes()).hexdigest()
        for key, path in files.items()
    }
