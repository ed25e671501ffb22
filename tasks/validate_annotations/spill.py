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
        self.files = [(folder / f"{number}").open("w+b") for number in range(self.count)]

    def add(self, keys: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        """One record per key; `columns` by the names of the type."""
        records = np.empty(len(keys), self.dtype)
        for name, values in columns.items():
            records[name] = values
        bucket = keys % self.count if self.count > 1 else np.zeros(0, np.int64)
        for number, file in enumerate(self.files):
            (records[bucket == number] if self.count > 1 else records).tofile(file)

    def each(self) -> Iterator[Records]:
        for file in self.files:
            file.flush()
            file.seek(0)
            yield np.fromfile(file, self.dtype)

    def close(self) -> None:
        for file in self.files:
            file.close()
