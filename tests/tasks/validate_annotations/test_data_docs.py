"""The pages of a batch, made of tables that are written here by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from include.artifacts import Delivery, LabelBatch
from include.artifacts.base import MadeBy
from include.artifacts.tables import ANNOTATIONS, FINDINGS, IMAGES, to_parquet
from tasks.validate_annotations.data_docs import offenders
from tasks.validate_annotations.data_docs.offenders import outlines
from tasks.validate_annotations.data_docs.pages import pages
from tasks.validate_annotations.data_docs.told import MOST_ROWS, Ruled, Table, Told
from tests.deliveries import picture

EVIL = "<script>alert(1)</script>'\"&"
BOX = {"x_px": 4.0, "y_px": 4.0, "width_px": 20.0, "height_px": 16.0}
Make = Callable[..., dict[str, str]]


def image(name: str, md5: str | None = "good") -> dict[str, Any]:
    return dict.fromkeys(IMAGES.names) | {"image_key": f"trees/d/{name}", "md5": md5, "delivery": "d"}


def label(number: int, picture: str = "1.png", **more: Any) -> dict[str, Any]:
    key = {"annotation_key": f"d#{number}", "annotation_id": str(number), "image_key": f"trees/d/{picture}"}
    return dict.fromkeys(ANNOTATIONS.names) | key | BOX | more


def finding(
    number: int, rule: str = "known_class", action: str = "reject annotation", picture: str = "1.png", **more: Any
) -> Any:
    key = {"subject": "annotation", "key": f"d#{number}", "annotation_id": str(number), "image_key": f"trees/d/{picture}"}
    said = {"rule": rule, "action": action, "owner": "lead", "got": "class Shrub", "expected": "Tree", "suite": "detector@1"}
    return dict.fromkeys(FINDINGS.names) | key | said | more


def of_image(name: str, rule: str, got: str) -> Any:
    about = {"subject": "image", "key": f"trees/d/{name}", "annotation_id": None}
    return finding(0, rule, "reject image", name, got=got) | about


@pytest.fixture
def make(made_by: MadeBy, tmp_path: Path) -> Make:
    """The pages, as text by path."""

    def read(md5: str) -> bytes:
        return picture(1) if md5 == "good" else b"not a picture"

    def made(
        images: list[Any], labels: list[Any], findings: list[Any], rules: list[str] | None = None, **more: Any
    ) -> dict[str, str]:
        batch = LabelBatch(
            made_by=made_by, inputs={}, config={}, source="trees", batch_id="0a1b", images_table="0" * 32, images=len(images),
            deliveries=(Delivery(item="inbox/e", name="e", revision="1", state="delivered", refused=f"no JSON: {EVIL}"),),
            annotations_table="0" * 32, annotations=len(labels),
        )  # fmt: skip
        tables = ((images, IMAGES), (labels, ANNOTATIONS), (findings, FINDINGS))
        names = rules or sorted({row["rule"] for row in findings})
        told = Told(
            batch, *(Table(to_parquet(pa.Table.from_pylist(rows, schema))) for rows, schema in tables), 0, 0,
            [Ruled(name, f"what {name} expects", "reject", "lead", "detector@1", len(labels)) for name in names],
            suites=("detector@1",), **more,
        )  # fmt: skip
        return {name: content.decode() for name, content in pages(tmp_path, told, read).items()}

    return made


def test_what_was_found_is_counted_by_rule_and_by_person(make: Make) -> None:
    labels = [label(number, annotator="ann" if number < 4 else "bob", job="j1") for number in range(6)]
    findings = [finding(0, annotator="ann", job="j1"), finding(1, annotator="ann", job="j1"),
                finding(4, annotator="bob", job="j1"),
                finding(5, "box_inside_image", "repair", annotator="bob", job="j1", before="{}", after="{}")]  # fmt: skip
    index = make([image("1.png")], labels, findings)["index.html"]
    rule = "<td><a href='#known_class'>known_class</a></td><td>what known_class expects</td>"
    assert f"{rule}<td>6</td><td>3</td><td>–</td><td>–</td>" in index
    assert "<td>ann</td><td>4</td><td>2</td><td>0</td><td>0</td><td>50.0%</td>" in index
    assert "<td>bob</td><td>2</td><td>1</td><td>1</td><td>0</td><td>50.0%</td>" in index
    assert "<td>j1</td><td>6</td><td>3</td><td>1</td><td>0</td><td>50.0%</td>" in index
    assert "<td>boxes and other labels</td><td>6</td><td>0</td><td>3</td><td>1</td><td>0</td>" in index


def test_worst_pictures_come_first_and_a_rule_shows_a_handful(make: Make) -> None:
    names = [f"{number}.png" for number in range(9)]
    labels = [label(10 * place + number, name) for place, name in enumerate(names) for number in range(place + 1)]
    findings = [finding(int(one["annotation_id"]), picture=one["image_key"].rpartition("/")[2]) for one in labels]
    index = make([image(name) for name in names], labels, findings)["index.html"]
    assert index.count("<img ") == offenders.PER_RULE
    order = [index.index(f"alt='d/{name}: known_class'") for name in ("8.png", "7.png", "6.png", "5.png", "4.png", "3.png")]
    assert order == sorted(order)
    assert "9 × set aside: class Shrub" in index


def test_every_rule_has_its_worst_picture_however_many_rules_there_are(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offenders, "PICTURES", 3)
    places = list(enumerate(("1.png", "2.png")))
    findings = [finding(number, rule, picture=name) for rule in ("a", "b") for number, name in places]
    index = make([image("1.png"), image("2.png")], [label(0), label(1, "2.png")], findings)["index.html"]
    assert [index.count(f": {rule}'") for rule in ("a", "b")] == [4, 2]  # alt and title of each


def test_pictures_stay_below_their_bytes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offenders, "BYTES", 20_000)
    names = [f"{number}.png" for number in range(6)]
    index = make([image(name) for name in names], [], [finding(0, picture=name) for name in names])["index.html"]
    assert 0 < index.count("<img ") < 6


def test_picture_that_cannot_be_shown_says_why(make: Make) -> None:
    findings = [of_image("2.png", "image_readable", "not an image"), of_image("3.png", "image_present", "no object"),
                finding(2, "image_readable", picture="2.png", got="not an image")]  # fmt: skip
    made = make([image("2.png", "bad"), image("3.png", None)], [label(2, "2.png")], findings)
    assert "No picture: cannot be decoded" in made["index.html"]
    assert "No picture: there is no such file" in made["index.html"]
    assert "<td>1 with 1 label</td>" in made["index.html"]
    assert "set aside: not an image<" in made["index.html"]  # once, not for each of its labels


def test_rule_that_everything_keeps_is_folded_away(make: Make) -> None:
    index = make([image("1.png")], [label(0)], [], rules=["known_class", "box_finite"])["index.html"]
    assert "<summary>Everything keeps all 2 rules</summary>" in index
    assert "The worst of each rule" not in index


def test_stopped_batch_says_so_first_and_one_let_through_by_whom(make: Make) -> None:
    findings = [finding(0), finding(1, "gate on known_class", "stop", subject="batch", key="0a1b", image_key=None)]
    made = make(
        [image("1.png")], [label(0, annotator="ann")], findings, stopped=["gate on known_class: 50% set aside; at most 2%"]
    )
    assert "Stopped: nothing of this batch teaches." in made["index.html"]
    assert "gate on known_class: 50% set aside; at most 2%" in made["index.html"]
    assert "would teach" in made["index.html"]
    row = "<td>gate on known_class</td><td>0a1b</td><td>class Shrub</td><td>Tree</td><td>stopped</td>"
    assert "<h2>The batch as a whole</h2>" in made["index.html"]
    assert row in made["index.html"]
    assert "<td>class Shrub</td><td>stopped</td>" in made["rules/gate_on_known_class.html"]
    through = make([image("1.png")], [label(0)], findings, stopped=["50%"], let_through="ada: a new class list")["index.html"]
    assert "Stopped, and let through by ada: a new class list." in through


def test_repair_is_shown_before_and_after(make: Make) -> None:
    before, after = {"x_px": 50.0, "width_px": 20.0}, {"x_px": 50.0, "width_px": 14.0}
    said = {"before": json.dumps(before), "after": json.dumps(after)}
    made = make([image("1.png")], [label(0)], [finding(0, "box_inside_image", "repair", **said),
                                                finding(1, "no_duplicate_box", "repair", before="{}")])  # fmt: skip
    assert "<td>x 50, width 20 → x 50, width 14</td>" in made["rules/box_inside_image.html"]
    assert "dropped" in made["rules/no_duplicate_box.html"]
    drawn = outlines(finding(0, action="repair", **said), [50.0, 4.0, 20.0, 16.0])
    assert [(list(one.box), one.is_dashed) for one in drawn] == [([50, 4, 20, 16], True), ([50, 4, 14, 16], False)]


def test_offender_is_drawn_in_colour_where_it_lies(make: Make) -> None:
    import base64

    index = make([image("1.png")], [label(0, x_px=8.0, y_px=8.0, width_px=40.0, height_px=30.0)], [finding(0)])["index.html"]
    data = index.partition("<img src='data:image/jpeg;base64,")[2].partition("'")[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        shown, scale = opened.convert("RGB"), opened.width / 64
    edge = [shown.getpixel((round(8 * scale) + dx, round(23 * scale))) for dx in (0, 1)]
    assert any(red > 200 and green < 100 for red, green, _ in edge)  # type: ignore[misc]


def test_nothing_that_labels_say_becomes_markup(make: Make) -> None:
    evil = f"{EVIL}.png"
    findings = [finding(0, EVIL, picture=evil, got=EVIL, expected=EVIL, owner=EVIL, annotator=EVIL, job=EVIL, class_name=EVIL),
                finding(1, "r2", "repair", evil, before=json.dumps({EVIL: EVIL}), after=json.dumps({EVIL: EVIL}))]  # fmt: skip
    made = make([image(evil)], [label(0, evil, annotator=EVIL, job=EVIL)], findings)
    for name, page in made.items():
        assert "alert(1)" in page, name
        assert "<script" not in page, name
        assert "'\"&" not in page, name


def test_rule_with_very_many_findings_has_a_page_that_opens(make: Make) -> None:
    made = make([image("1.png")], [label(0)], [finding(number) for number in range(MOST_ROWS + 7)])
    page = made["rules/known_class.html"]
    assert page.count("<tr>") == MOST_ROWS + 1
    assert "and 7 more" in page
