from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from include.artifacts.tables import AT_ONCE
from include.labelling.drawn import Columns, Drawn, runs
from include.labelling.items import Labelled, Picture, Shape

ROWS = 2 * AT_ONCE + 10


def box(number: int) -> Shape:
    return Shape("box", "Tree", (float(number), 0, 1, 1), str(number))


def numbered(made: list[tuple[int, int]] | None = None) -> Columns:
    """Boxes whose left edge is their row; `made` takes down what was asked for."""

    def columns(start: int, stop: int) -> dict[str, Any]:
        if made is not None:
            made.append((start, stop))
        rows = [box(number) for number in range(start, min(stop, ROWS))]
        return {name: [getattr(row, name) for row in rows] for name in ("kind", "class_name", "box_px", "is_crowd")} | {
            "raw": pa.array([row.raw for row in rows])
        }

    return Columns(columns)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 3), (5, 5), (AT_ONCE - 1, AT_ONCE + 1), (AT_ONCE, 2 * AT_ONCE), (3, ROWS), (ROWS - 1, ROWS)],
    ids=["first", "none", "across parts", "one part", "nearly all", "last"],
)
def test_rows_are_the_shapes_of_their_place(start: int, stop: int) -> None:
    some = Drawn(numbered(), start, stop)
    assert list(some) == [box(number) for number in range(start, stop)]
    assert len(some) == stop - start


def test_rows_read_one_after_the_other_are_made_once() -> None:
    made: list[tuple[int, int]] = []
    columns = numbered(made)
    for row in range(AT_ONCE + 5):
        assert Drawn(columns, row, row + 1)[0] == box(row)
    assert made == [(0, AT_ONCE), (AT_ONCE, 2 * AT_ONCE)]


def test_only_neighbours_in_the_same_columns_are_one_run() -> None:
    ours, other, shapes = numbered(), numbered(), (box(1), box(2))
    neighbours = Drawn(ours, 0, 2), Drawn(ours, 2, 2), Drawn(ours, 2, 5)
    parts = [*neighbours, Drawn(ours, 6, 7), shapes, Drawn(ours, 7, 8), Drawn(other, 8, 9)]
    labelled = Labelled(b"", tuple(Picture(str(at), part) for at, part in enumerate(parts)), strays=Drawn(other, 9, 11))
    found = [(one.columns, one.start, one.stop) if isinstance(one, Drawn) else one for one in runs(labelled)]
    assert found == [(ours, 0, 5), (ours, 6, 7), shapes, (ours, 7, 8), (other, 8, 11)]
