"""The columns of images and annotations, as they travel between steps (Parquet).

A box is `x_px, y_px, width_px, height_px`: left and top edge and size in pixels of the image, as in COCO; its right edge
`x_px + width_px` lies at most on the image's width.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.artifacts.columns import column, compact

if TYPE_CHECKING:  # half a second to import, and not every step needs it
    import pandas as pd

IMAGES = pa.schema(
    [
        ("image_key", pa.string()),  # <source>/<delivery>/<file name>: unique within a source
        ("md5", pa.string()),  # of the file's bytes; null: there is no such file
        ("missing", pa.string()),  # why there are no bytes; null: they are there
        ("size_bytes", pa.int64()),
        ("width_px", pa.float64()),  # as stated by the label file
        ("height_px", pa.float64()),
        ("group", pa.string()),  # what must not be torn apart by a split: scene, site, patient
        ("delivery", pa.string()),
        ("attributes", pa.string()),  # JSON object: what else is said of it (site, camera, date); null: nothing
        ("annotators", pa.string()),  # JSON list: who each labelled all of it; null: not said
        ("phash", pa.string()),  # as in VERSION_IMAGES; these two are null until validate_annotations has looked at it
        ("brightness", pa.float64()),
    ]
)
ANNOTATIONS = pa.schema(
    [
        ("annotation_key", pa.string()),  # <delivery>#<position in the file>: unique, whatever ids the file uses
        ("annotation_id", pa.string()),  # as given
        ("image_key", pa.string()),  # null: the file names no such image
        ("image_id", pa.string()),  # as given
        ("shape", pa.string()),  # box, polygon, points, tag …: Kind in include/labelling/items.py
        ("class_name", pa.string()),  # as given by the file's categories; null: no such category
        ("x_px", pa.float64()),  # the box, or what encloses the shape; NaN where there is no number
        ("y_px", pa.float64()),
        ("width_px", pa.float64()),
        ("height_px", pa.float64()),
        ("geometry", pa.string()),  # JSON of a shape that is more than its box; null: a box, or a tag
        ("is_crowd", pa.bool_()),
        ("annotator", pa.string()),  # who drew it, who reviewed it, in which job: as the service names them
        ("reviewer", pa.string()),
        ("job", pa.string()),
        ("drawn_at", pa.string()),  # ISO 8601, UTC
        ("reviewed_at", pa.string()),
        ("guideline", pa.string()),  # version of the labelling guideline
        ("attributes", pa.string()),  # JSON object; null: none
        ("raw", pa.string()),  # the annotation as it came, JSON: nothing is lost
        ("conflict", pa.string()),  # why another person's label of the same picture stands instead; null: it stands
    ]
)
# What the checks found: of a row that is set aside one finding that rejects it, of one that teaches any number of others.
FINDINGS = pa.schema(
    [
        ("subject", pa.string()),  # "image", "annotation" or "batch"
        ("key", pa.string()),  # image_key or annotation_key; of a batch: what in it (a class, an annotator, a job), or its id
        ("image_key", pa.string()),
        ("annotation_id", pa.string()),
        ("rule", pa.string()),
        ("action", pa.string()),  # "reject annotation", "reject image", "repair", "warn" or "stop"
        ("owner", pa.string()),  # who is asked to mend it
        ("got", pa.string()),
        ("expected", pa.string()),
        ("suite", pa.string()),  # name@version of the suite (include/expectations/) that has the rule
        ("severity", pa.string()),  # "error": it does not teach, or stops the batch; "warning": it teaches
        ("before", pa.string()),  # JSON object of the columns that a repair changed; null: no repair
        ("after", pa.string()),  # what they became; null where the row was dropped
        ("class_name", pa.string()),  # as given
        ("annotator", pa.string()),
        ("job", pa.string()),
    ]
)
VERSION_IMAGES = pa.schema(
    [
        ("image_id", pa.int64()),  # 1, 2, … in the order of relpath
        ("relpath", pa.string()),  # where `dvc pull` puts it
        ("md5", pa.string()),
        ("size_bytes", pa.int64()),
        ("width_px", pa.int64()),
        ("height_px", pa.int64()),
        ("group", pa.string()),
        ("split", pa.string()),  # "train", "val" or "test"
        ("source", pa.string()),
        ("checked_labels", pa.string()),  # address of the card that its labels come from; null: adopted or imported
        ("attributes", pa.string()),  # JSON object: site, camera, date, tags …; null: none
        ("phash", pa.string()),  # what it looks like, 16 hex digits (include/versions/alike/fingerprints.py); null: never asked
        ("brightness", pa.float64()),  # mean luma, 0 black to 1 white; null: never asked
    ]
)
VERSION_ANNOTATIONS = pa.schema(
    [
        ("annotation_id", pa.int64()),  # 1, 2, …: never 0, which pycocotools takes for "unmatched"
        ("image_id", pa.int64()),
        ("category_id", pa.int64()),  # 1, 2, … in the order of the dataset's classes
        ("x_px", pa.float64()),
        ("y_px", pa.float64()),
        ("width_px", pa.float64()),
        ("height_px", pa.float64()),
        ("is_crowd", pa.bool_()),
        ("origin", pa.string()),  # annotation_key
        ("annotator", pa.string()),
        ("reviewer", pa.string()),
        ("job", pa.string()),
        ("attributes", pa.string()),  # JSON object; null: none
    ]
)

# What earlier versions had and this one has not: an image that comes back goes where it was.
VERSION_LEFT = pa.schema([("md5", pa.string()), ("group", pa.string()), ("split", pa.string())])

AT_ONCE = 4096  # rows that are Python objects while a table is made, or gone through


def table_of(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """From rows with their values in the order of the schema. A million of them never are in memory as Python objects."""
    waiting, parts = iter(rows), []
    while some := list(islice(waiting, AT_ONCE)):
        parts.append(table_of_columns(zip(*some, strict=True), schema))
    return pa.concat_tables(parts).combine_chunks() if parts else empty_table(schema)


def empty_table(schema: pa.Schema) -> pa.Table:
    return table_of_columns([()] * len(schema), schema)


def table_of_columns(columns: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """From the values of each column, in the order of the schema."""
    return pa.Table.from_arrays([column(one, field.type) for one, field in zip(columns, schema, strict=True)], schema=schema)


def rows_of(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Plain values of the columns, row by row."""
    for start in range(0, len(table), AT_ONCE):
        some = table.slice(start, AT_ONCE)
        yield from zip(*(some[name].to_pylist() for name in columns), strict=True)


def rows_at(table: pa.Table, positions: pa.Array, *columns: str) -> Iterator[tuple[Any, ...]]:
    """The same, of the rows at these positions, in their order."""
    for start in range(0, len(positions), AT_ONCE):
        yield from rows_of(table.take(positions.slice(start, AT_ONCE)), *columns)


def to_parquet(table: pa.Table) -> bytes:
    """Deterministic bytes for equal tables (one writer version)."""
    out = io.BytesIO()
    pq.write_table(table, out, **compact(table.schema))
    return out.getvalue()


class GrowingParquet:
    """A Parquet file of parts that come one by one. A thread compresses one, for half the time, while the next is being made."""

    def __init__(self, schema: pa.Schema) -> None:
        self._out = pa.BufferOutputStream()  # unlike BytesIO it does not wait for Python at every page
        self._writer = pq.ParquetWriter(self._out, schema, **compact(schema))
        self._thread, self._written = ThreadPoolExecutor(1), list[Future[None]]()

    def add(self, part: pa.Table) -> None:
        self._written.append(self._thread.submit(self._writer.write_table, part))

    def content(self) -> bytes:
        """Deterministic bytes for equal parts. The end: nothing can be added any more."""
        for one in self._written:
            one.result()
        self._thread.shutdown()
        self._writer.close()
        return bytes(self._out.getvalue())


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    return pq.read_table(io.BytesIO(data), columns=columns)


def parts_of(stored: bytes | Path, columns: Sequence[str] | None = None, rows: int = AT_ONCE) -> Iterator[pa.Table]:
    """A Parquet file in parts of at most so many rows. `columns`: None: all."""
    source = io.BytesIO(stored) if isinstance(stored, bytes) else stored
    with pq.ParquetFile(source, pre_buffer=False) as file:  # else all that was read stays in memory until the end
        for some in file.iter_batches(rows, columns=columns):
            yield pa.Table.from_batches([some])


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table in pandas, its text as Python objects: pandas' own text type cannot join columns without a row."""
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({field.name: object for field in table.schema if pa.types.is_string(field.type)})
