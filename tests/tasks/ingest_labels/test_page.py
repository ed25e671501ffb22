from __future__ import annotations

import re
from html import unescape
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import Delivery, LabelBatch
from include.artifacts.base import MadeBy
from include.artifacts.tables import ANNOTATIONS, IMAGES
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.consensus import consensus
from tasks.ingest_labels.page import render
from tasks.ingest_labels.rows import Row
from tests.tasks.ingest_labels.opinions import box, picture


def delivery(name: str, **more: Any) -> Delivery:
    return Delivery(item=name, name=name, revision="1", state="completed", **more)


@pytest.fixture
def text(made_by: MadeBy) -> Any:
    """The page's text, a line per row or paragraph."""

    def make(images: list[Row], rows: list[Row], *deliveries: Delivery, **more: Any) -> str:
        tables = pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(rows, ANNOTATIONS)
        judged, agreement = consensus(*tables, IngestLabels(source="trees", prefix="inbox/trees"))
        batch = LabelBatch(
            made_by=made_by, inputs={}, config={}, source="trees", batch_id="b1", deliveries=deliveries, images_table="a" * 32,
            annotations_table="b" * 32, images=len(images), annotations=len(rows), agreement=agreement, **more,
        )  # fmt: skip
        page = render(batch, tables[0], judged).decode()
        assert "<script" not in page
        body = page[page.index("<body>") :]
        lines = re.sub(r"</(p|tr|h1|h2)>", "\n", re.sub(r"</t[hd]><t[hd]>", " | ", body))
        return unescape(re.sub(r"<[^>]+>", "", lines))

    return make


def test_page_tells_what_came_who_drew_and_how_far_they_agree(text: Any) -> None:
    rows = [box("ann", 0), box("ann", 50), box("bob", 1, reviewer="rea"), box(None, 80, "Bush", shape="points")]
    page = text([picture("i", "ann", "bob")], rows, delivery("job-1", images=1, annotations=4))
    assert "1 delivery with 1 image and 4 annotations.\n" in page
    assert "1 image with 3 boxes on 2 objects. By the rule majority 1 of their annotations do not stand.\n" in page
    assert "another box of the same object stands | 1\n" in page
    assert "all classes | 3 | 1 | 67% | 0.82 | – | –\n" in page  # 2 of 3 boxes found by the other; 9/11; one class
    assert "Tree | 3 | 1 | 67% | 0.82 | – | –\n" in page
    assert "bob | 1 | 1 | 67% | 0.82 | – | –\n" in page
    assert "ann | 1 | 2 | 0 | 1\n(not said) | 1 | 1 | 0 | 0\nbob | 1 | 1 | 1 | 0\n" in page
    assert "Tree | 3\nBush | 1\n" in page
    assert "job-1 | completed | 1 | 4\n" in page


def test_page_names_what_could_not_be_read_and_what_is_gone(text: Any) -> None:
    came = [delivery("a", refused="not JSON"), delivery("b", problems=("row 3: no <b>image</b>",)), delivery("c", is_gone=True)]
    missing = {"image_key": "i", "md5": None, "missing": "no object", "delivery": "b"}
    page = text([missing], [], *came, supersedes={"b0": ("c", "b")})
    first = "3 deliveries with 1 image and 0 annotations: 1 refused, 1 deleted at the source, "
    assert first + "1 corrected since an earlier batch, 1 image missing.\n" in page
    assert "a: not JSON\n" in page
    assert "b: row 3: no <b>image</b>\n" in page
    assert "c | deleted | 0 | 0\n" in page
    assert "several people" not in page


def test_page_of_a_great_many_deliveries_can_still_be_opened(text: Any) -> None:
    page = text([], [], *(delivery(f"job-{number}") for number in range(600)))
    assert page.count("job-") == 500
    assert "… and 100 more: see the card" in page
