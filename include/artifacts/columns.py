"""Arrow columns from Python values, by their buffers: `pa.array` imports pandas at its first call, one to two seconds. And how
they are written.

Layouts: https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MOST_BYTES = 2**31 - 1  # of one column of text
# Columns of which each row has its own value: to look for equal ones costs as much as to compress them
ALL_DIFFERENT = {
    "annotation_key", "annotation_id", "geometry", "raw", "x_px", "y_px", "width_px", "height_px", "md5", "phash", "brightness",
    "key", "before", "after",
}  # fmt: skip
NUMBERS = {pa.int64(): np.int64, pa.float64(): np.float64}


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """`values`: of that type, or None; or a column already."""
    if isinstance(values, pa.Array):
        return values
    count = len(values)
    if kind not in NUMBERS and kind not in (pa.string(), pa.bool_()):
        return pa.array(values, kind)
    is_there = None
    if None in values:
        there = np.array([one is not None for one in values], np.bool_)
        if not there.any():
            return pa.nulls(count, kind)
        is_there = _bits(there)
        filler = "" if kind == pa.string() else 0
        values = [filler if one is None else one for one in values]
    if kind == pa.string():
        joined = "".join(values)
        parts: Sequence[str | bytes] = values if joined.isascii() else [one.encode() for one in values]
        return _text(np.fromiter(map(len, parts), np.int64, count), joined.encode(), is_there)
    if kind == pa.bool_():
        return pa.Array.from_buffers(kind, count, [is_there, _bits(np.array(values, np.bool_))])
    return pa.Array.from_buffers(kind, count, [is_there, pa.py_buffer(np.array(values, NUMBERS[kind]))])


def text(parts: Sequence[bytes], before: bytes = b"", after: bytes = b"") -> pa.StringArray:
    """Of UTF-8, each between these."""
    lengths = np.fromiter((len(memoryview(part)) for part in parts), np.int64, len(parts)) + len(before + after)
    return _text(lengths, (after + before).join([b"", *parts, b""]), start=len(after))


def numbers(values: Sequence[float] | NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values, NUMBERS[kind]))])


def _text(lengths: NDArray[np.int64], data: bytes, is_there: pa.Buffer | None = None, start: int = 0) -> pa.StringArray:
    if len(data) > MOST_BYTES:
        raise ValueError(f"a column of {len(data)} bytes of text; expected at most {MOST_BYTES} at once")
    offsets = np.cumsum(np.append(start, lengths)).astype(np.int32)
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(data), is_there)


def _bits(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def compact(schema: pa.Schema) -> dict[str, Any]:
    """How Parquet is written."""
    return {"compression": "zstd", "use_dictionary": [name for name in schema.names if name not in ALL_DIFFERENT]}
