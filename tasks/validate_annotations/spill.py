"""Records laid aside on disk in buckets, so that what belongs together is together again, one bucket in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORDS_AT_ONCE = 2**20
Records = NDArray[np.void]


class Buckets:
    """Records of one type. All with the same key are in one bucket; of a bucket they come in the order in which they went in."""

    def __init__(self, folder: Path, dtype: list[tuple[str, str]], most_records: int, at_once: int = RECORDS_AT_ONCE) -> None:
        self.dtype = np.dtype(dtype)
        self.count = max(1, -(-most_records // at_once))
        folder.mkdir()
        self.paths = [folder / f"{number}" for number in range(self.count)]

    def add(self, keys: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        """One record per key; `columns` by the names of the type."""
        records = np.empty(len(keys), self.dtype)
        for name, values in columns.items():
            records[name] = values
        bucket = keys % self.count if self.count > 1 else np.zeros(0, np.int64)
        for number, path in enumerate(self.paths):
            with path.open("ab") as file:
                (records[bucket == number] if self.count > 1 else records).tofile(file)

    def each(self) -> Iterator[Records]:
        for path in self.paths:
            yield np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
