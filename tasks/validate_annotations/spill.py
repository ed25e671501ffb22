"""Records laid aside in buckets, so that what belongs together is together again, and few of them are in memory at a time.

Of a batch of which all would be in memory together, they are: files take half a second for a million.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORDS_AT_ONCE, BUCKETS_AT_ONCE = 2**19, 2
Records = NDArray[np.void]


class Buckets:
    """Records of one type. All with the same key are in one bucket; of a bucket they come in the order in which they went in."""

    def __init__(self, folder: Path, dtype: list[tuple[str, str]], most_records: int) -> None:
        self.dtype = np.dtype(dtype)
        self.count = max(1, -(-most_records // RECORDS_AT_ONCE))
        self._kept: list[list[Records]] | None = [[] for _ in range(self.count)] if self.count <= BUCKETS_AT_ONCE else None
        folder.mkdir()
        self._paths = [folder / f"{number}" for number in range(self.count)]

    def add(self, keys: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        """One record per key; `columns` by the names of the type."""
        records = np.empty(len(keys), self.dtype)
        for name, values in columns.items():
            records[name] = values
        bucket = keys % self.count
        for number, path in enumerate(self._paths):
            its = records[bucket == number] if self.count > 1 else records
            if self._kept is not None:
                self._kept[number].append(its)
                continue
            with path.open("ab") as file:
                its.tofile(file)

    def read(self, number: int) -> Records:
        """One bucket of `count`; as often as one likes."""
        if self._kept is not None:
            return np.concatenate([np.empty(0, self.dtype), *self._kept[number]])
        path = self._paths[number]
        return np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
