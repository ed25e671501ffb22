from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from include.artifacts.tables import AT_ONCE, from_parquet, rows_of
from include.labelling.files.coco import read_coco
from include.labelling.items import Item, Labelled
from tasks.ingest_labels.rows import AnnotationTable
from tests.deliveries import box, coco, image

SOME = ("annotation_key", "annotation_id", "image_key", "image_id", "shape", "class_name", "x_px", "height_px", "geometry", "job")


def item(name: str) -> Item:
    return Item(name, "1", "finished", "delivered", datetime(2026, 1, 1, tzinfo=UTC))


def labelled(count: int, job: str | None = None) -> Labelled:
    """Of image 2, 1, none, 2, 1, none, …; the second is a triangle."""
    more: list[dict[str, Any]] = [{}, {"segmentation": [[0, 0, 4, 0, 4, 4.5]]}]
    drawn = [box(number, 2 - number % 3, (number, 0, 3, 4), **more[number == 1]) for number in range(count)]
    data = json.dumps(coco([image(1, "a.png"), image(2, "b.png")], drawn)).encode()
    return read_coco(data, job)


def expected(delivery: str, count: int, job: str | None = None) -> list[tuple[Any, ...]]:
    numbers = [number for place in (1, 0, 2) for number in range(place, count, 3)]
    keys = {1: f"trees/{delivery}/a.png", 0: f"trees/{delivery}/b.png", 2: None}
    drawn = dict.fromkeys(numbers, ("box", None)) | {1: ("polygon", '{"flat":[[0,0,4,0,4,4.5]]}')}
    rows = []
    for at, number in enumerate(numbers):
        (kind, geometry), place = drawn[number], number % 3
        key = f"{delivery}#{at}"
        rows.append((key, str(number), keys[place], str(2 - place), kind, "Tree", float(number), 4.0, geometry, job))
    return rows


@pytest.mark.parametrize("job", [None, "a.zip"])
@pytest.mark.parametrize("counts", [(3,), (AT_ONCE + 5,), (7, 2 * AT_ONCE + 1, 9)], ids=["few", "many", "both"])
def test_rows_of_an_item_are_in_the_order_of_its_pictures_strays_last(counts: tuple[int, ...], job: str | None) -> None:
    table, rows = AnnotationTable("trees"), []
    for number, count in enumerate(counts):
        assert table.add(item(f"d{number}"), labelled(count, job)) == count
        rows += expected(f"d{number}", count, job)
    made = table.table()
    assert list(rows_of(made, *SOME)) == rows
    assert from_parquet(table.parquet()).equals(made)


def test_a_few_shapes_among_many_columns_stay_in_their_place() -> None:
    """As where two files of an archive name one image: what is drawn there is put together, and is no part of the columns."""
    whole = labelled(2 * AT_ONCE)
    first, second = whole.pictures
    mixed = replace(whole, pictures=(first, replace(second, shapes=tuple(second.shapes))))
    tables = []
    for one in (whole, mixed):
        table = AnnotationTable("trees")
        table.add(item("d0"), one)
        tables.append(table.table())
    assert list(rows_of(tables[1], *SOME)) == expected("d0", 2 * AT_ONCE)
    assert tables[0].equals(tables[1])
