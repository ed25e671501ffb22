"""Records laid aside in buckets, so that what belongs together is together again, one bucket in memory at a time.

All but an only one are on disk.
"""

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

    def __init__(self, folder: Path, dtype: list[tuple[str, str]], most_records: int) -> None:
        self.dtype = np.dtype(dtype)
        self.count = max(1, -(-most_records // RECORDS_AT_ONCE))
        folder.mkdir()
        self.paths = [folder / f"{number}" for number in range(self.count)]
        self._only = [np.empty(0, self.dtype)]

    def add(self, keys: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        """One record per key; `columns` by the names of the type."""
        records = np.empty(len(keys), self.dtype)
        for name, values in columns.items():
            records[name] = values
        if self.count == 1:
            self._only.append(records)
            return
        bucket = keys % self.count
        for number, path in enumerate(self.paths):
            with path.open("ab") as file:
                records[bucket == number].tofile(file)

    def each(self) -> Iterator[Records]:
        if self.count == 1:
            self._only = [np.concatenate(self._only)]
            yield self._only[0]
            return
        for path in self.paths:
            yield np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
