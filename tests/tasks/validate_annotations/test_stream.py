from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.validate_annotations import spill
from tasks.validate_annotations.spill import Buckets
from tasks.validate_annotations.stream import Writer, ahead, at_hand, numbered, parts_of_file, taken

SCHEMA = pa.schema([("key", pa.string()), ("rule", pa.string())])
ROWS = pa.table({"key": ["a", None], "rule": ["r", "r"]}, schema=SCHEMA)


def test_next_part_is_made_while_one_is_used() -> None:
    asked = threading.Event()

    def parts() -> Iterator[int]:
        yield 1
        asked.set()
        yield 2

    coming = ahead(parts())
    assert next(coming) == 1
    assert asked.wait(60)  # nobody has asked for it yet
    assert list(coming) == [2]


def test_as_many_parts_as_may_be_are_made_before_the_first_is_asked_for() -> None:
    made: list[int] = []
    begun = threading.Event()

    def parts() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            if number == 2:
                begun.set()
            yield number

    coming = ahead(parts(), 3)
    assert begun.wait(10)
    assert made == [0, 1, 2]  # and no more
    assert list(coming) == [0, 1, 2, 3, 4]


def test_what_a_part_raises_is_raised_in_its_turn() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    coming = ahead(parts())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(coming)


def test_numbers_that_overflow_beside_are_treated_as_before() -> None:
    def parts() -> Iterator[float]:
        yield float(np.float64(1e308) * 10)

    with np.errstate(over="ignore"):  # else a warning, which is an error here
        assert list(ahead(parts())) == [float("inf")]


def test_file_has_all_parts_in_order(tmp_path: Path) -> None:
    with Writer(tmp_path / "w.parquet", SCHEMA) as file:
        for _ in range(3):
            file.add(ROWS)
        file.add(ROWS.slice(0, 0))
    assert file.rows == 6
    assert pq.read_table(tmp_path / "w.parquet").equals(pa.concat_tables([ROWS] * 3))


def written(path: Path, *tables: pa.Table, error: Exception | None = None) -> None:
    with Writer(path, SCHEMA) as file:
        for one in tables:
            file.add(one)
        if error:
            raise error


WRONG = pa.table({"other": [1]})


@pytest.mark.parametrize("tables", [[WRONG], [WRONG, ROWS], [ROWS, WRONG]], ids=["only part", "first part", "last part"])
def test_part_that_cannot_be_written_is_an_error(tmp_path: Path, tables: list[pa.Table]) -> None:
    with pytest.raises(ValueError, match="schema"):
        written(tmp_path / "w.parquet", *tables)


def test_error_of_the_block_is_not_hidden_by_one_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        written(tmp_path / "w.parquet", WRONG, error=KeyError("mine"))


@pytest.mark.parametrize("at_once", [100, 5, 3], ids=["one bucket", "in memory", "on disk"])
def test_records_with_the_same_key_are_together_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(spill, "RECORDS_AT_ONCE", at_once)
    buckets = Buckets(tmp_path / "b", [("row", "i8"), ("key", "i8")], 10)
    keys = np.array([5, 6, 5, 7, 6, 5, 8, 9, 5, 6])
    for some in (slice(0, 4), slice(4, 10)):
        buckets.add(keys[some], {"row": np.arange(10)[some], "key": keys[some]})
    found = [buckets.read(number).tolist() for number in range(buckets.count)]
    assert [buckets.read(number).tolist() for number in range(buckets.count)] == found  # as often as one likes
    assert len(found) == {100: 1, 5: 2, 3: 4}[at_once]
    assert sorted(row for one in found for row, _ in one) == list(range(10))
    for key in set(keys.tolist()):
        (rows,) = [rows for one in found if (rows := [row for row, other in one if other == key])]
        assert rows == np.flatnonzero(keys == key).tolist()


def test_what_was_read_does_not_stay_in_memory(tmp_path: Path) -> None:
    text = [random.randbytes(50).hex() for _ in range(1000)]
    pq.write_table(pa.table({"key": text * 20, "rule": text * 20}, schema=SCHEMA), tmp_path / "t", row_group_size=1000)
    before, most = pa.total_allocated_bytes(), 0
    for part in parts_of_file(tmp_path / "t", SCHEMA, rows=1000).read(SCHEMA.names):
        most = max(most, pa.total_allocated_bytes() - before)
        assert part["key"].to_pylist() == text
    assert most < 1_000_000  # the file has 2,000,000 bytes of text, even compressed


def test_rows_are_taken_of_the_parts_that_have_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": list("abcdefg"), "rule": ["r"] * 7}, schema=SCHEMA), tmp_path / "t")
    parts = parts_of_file(tmp_path / "t", SCHEMA, rows=2)
    assert [(first, len(part)) for first, part in numbered(parts, {"key"})] == [(0, 2), (2, 2), (4, 2), (6, 1)]
    assert taken(parts, np.array([1, 2, 6]), {"key"}).to_pydict() == {"key": ["b", "c", "g"]}
    assert taken(parts, np.array([], np.int64), {"key"}).to_pydict() == {"key": []}


def test_parts_are_at_hand_if_they_are_one(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "t")
    one, two = (at_hand(parts_of_file(tmp_path / "t", SCHEMA, rows)) for rows in (2, 1))
    (tmp_path / "t").unlink()
    assert [part.to_pylist() for part in one.read({"key"})] == [[{"key": "a"}, {"key": None}]]
    with pytest.raises(FileNotFoundError):
        list(two.read({"key"}))
