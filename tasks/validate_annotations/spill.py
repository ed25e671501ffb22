"""Records laid aside in buckets, so that what belongs together is together again, and few of them are in memory at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORDS_AT_ONCE = 2**19
Records = NDArray[np.void]


class Buckets:
    """Records of one type. All with the same key are in one bucket; of a bucket they come in the order in which they went in."""

    def __init__(self, folder: Path, dtype: list[tuple[str, str]], most_records: int) -> None:
        self.dtype = np.dtype(dtype)
        self.count = max(1, -(-most_records // RECORDS_AT_ONCE))
        folder.mkdir()
        self._paths = [folder / f"{number}" for number in range(self.count)]

    def add(self, keys: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        """One record per key; `columns` by the names of the type."""
        records = np.empty(len(keys), self.dtype)
        for name, values in columns.items():
            records[name] = values
        bucket = keys % self.count
        for number, path in enumerate(self._paths):
            with path.open("ab") as file:
                (records[bucket == number] if self.count > 1 else records).tofile(file)

    def read(self, number: int) -> Records:
        """One bucket of `count`; as often as one likes."""
        path = self._paths[number]
        return np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
