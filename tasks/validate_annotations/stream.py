"""Tables in parts, so that memory does not grow with a batch: read by row groups, written part by part.

Arrow reads and writes outside Python's lock: a thread makes the next part while one is judged, another writes the last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from include.artifacts.columns import compact
from include.artifacts.tables import parts_of

ROWS_AT_ONCE = 2**18  # a quarter of a million annotations with their JSON are some 150 MB, and three parts are in memory
IMAGES_AT_ONCE = 2**19  # some 100 MB
T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """A table of so many rows."""

    rows: int
    rows_at_once: int
    schema: pa.Schema
    _read: Callable[[Collection[str], int], Iterator[pa.Table]]

    def read(self, columns: Collection[str], times: int = 1) -> Iterator[pa.Table]:
        """The columns that are wanted, in parts of `times` the usual rows, in order; as often as one likes."""
        return self._read(columns, times * self.rows_at_once)


def parts_of_file(path: Path, schema: pa.Schema, rows: int = ROWS_AT_ONCE) -> Parts:
    """Columns that the file has not are null: it was made before they were kept."""

    def read(columns: Collection[str], at_once: int) -> Iterator[pa.Table]:
        for part in parts_of(path, [name for name in schema.names if name in columns and name in there], at_once):
            yield _with(part, columns, schema)

    there = pq.read_schema(path).names
    return Parts(pq.read_metadata(path).num_rows, rows, schema, read)


def parts_of_table(table: pa.Table, schema: pa.Schema, rows: int = ROWS_AT_ONCE) -> Parts:
    """The same, of what is in memory."""

    def read(columns: Collection[str], at_once: int) -> Iterator[pa.Table]:
        for start in range(0, len(table), at_once):
            part = table.slice(start, at_once)
            yield _with(part.select([name for name in part.column_names if name in columns]), columns, schema)

    return Parts(len(table), rows, schema, read)


def at_hand(parts: Parts) -> Parts:
    """The same, in memory if it is only one part: it is read several times."""
    if parts.rows > parts.rows_at_once:
        return parts
    return parts_of_table(_joined(parts.read(parts.schema.names), parts.schema), parts.schema, parts.rows_at_once)


def numbered(parts: Parts, columns: Collection[str], times: int = 1) -> Iterator[tuple[int, pa.Table]]:
    """Each part with the number of its first row."""
    first = 0
    for part in parts.read(columns, times):
        yield first, part
        first += len(part)


def taken(parts: Parts, rows: NDArray[np.int64], columns: Collection[str]) -> pa.Table:
    """These rows, which are in order."""
    found = []
    for first, part in numbered(parts, columns):
        low, high = np.searchsorted(rows, (first, first + len(part)))
        found.append(part.take(pa.array(rows[low:high] - first)))
    return _joined(found, pa.schema([field for field in parts.schema if field.name in columns]))


def _joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *tables])


def _with(part: pa.Table, columns: Collection[str], schema: pa.Schema) -> pa.Table:
    """With all columns asked for, in the order of the schema."""
    arrays = {
        field.name: part[field.name] if field.name in part.column_names else pa.nulls(len(part), field.type)
        for field in schema
        if field.name in columns
    }
    return pa.table(arrays, schema=pa.schema([field for field in schema if field.name in columns]))


def submit(threads: Executor, work: Callable[..., T], *told: Any) -> Future[T]:
    """For a thread, which treats numbers that overflow as whoever asks for it does."""
    return threads.submit(copy_context().run, work, *told)


def ahead(parts: Iterator[T], count: int = 1) -> Iterator[T]:
    """The same, made by a thread while those before are used; so many at once are begun, from now on."""
    thread = ThreadPoolExecutor(1)
    coming = deque(submit(thread, next, parts, None) for _ in range(count))

    def each() -> Iterator[T]:
        with thread:
            while (part := coming.popleft().result()) is not None:
                coming.append(submit(thread, next, parts, None))
                yield part

    return each()


class Writer:
    """A Parquet file that grows, a part at a time while the next is made; whole when the block ends."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self._file = pq.ParquetWriter(path, schema, **compact(schema))
        self._thread, self._last = ThreadPoolExecutor(1), Future[None]()
        self._last.set_result(None)

    def add(self, table: pa.Table) -> None:
        """Raises what the part before did."""
        if len(table):
            self.rows += len(table)
            self._last.result()
            self._last = self._thread.submit(self._file.write_table, table)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown()
        self._file.close()
        if error is None:
            self._last.result()
