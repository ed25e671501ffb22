from __future__ import annotations

import pyarrow as pa
import pytest

from include.artifacts.tables import GrowingParquet, from_parquet

SCHEMA = pa.schema([("key", pa.string()), ("x_px", pa.float64())])
PARTS = [pa.table({"key": ["a", "b"], "x_px": [1.5, None]}, SCHEMA), pa.table({"key": [None], "x_px": [3.0]}, SCHEMA)]


def written(parts: list[pa.Table]) -> bytes:
    file = GrowingParquet(SCHEMA)
    for part in parts:
        file.add(part)
    return file.content()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_parts_that_were_added_are_one_file(count: int) -> None:
    expected = [("a", 1.5), ("b", None), (None, 3.0)][: (0, 2, 3)[count]]
    found = from_parquet(written(PARTS[:count]))
    assert found.schema.equals(SCHEMA)
    assert list(zip(*found.to_pydict().values(), strict=True)) == expected


def test_equal_parts_are_equal_bytes() -> None:
    assert written(PARTS) == written([part.slice(0) for part in PARTS])


def test_part_that_cannot_be_written_is_an_error_at_the_end() -> None:
    file = GrowingParquet(SCHEMA)
    file.add(pa.table({"other": [1]}))
    with pytest.raises(ValueError, match="schema"):
        file.content()
