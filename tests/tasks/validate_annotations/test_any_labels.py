"""Labels that Hypothesis makes up, or makes of sound ones: they are refused in words, or each of their annotations has a row.

The same ones each time, so that a run takes as long as the last. More, and others: HYPOTHESIS_EXAMPLES=5000.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from include.artifacts.tables import from_parquet, to_parquet
from include.formats.cvat_shapes import SHAPES
from include.labelling.files.formats_read import read_tree
from include.labelling.files.recorded_tree import RecordedTree
from include.labelling.items import Item, Labelled, Refused
from include.step.run import StepRun, publish
from include.storage import ContentStore, open_store
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.rows import AnnotationTable, ImageTable, image_row
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.deliveries import deliver, picture

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "40"))
ANY_SPEED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
steady = settings(
    max_examples=EXAMPLES, derandomize="HYPOTHESIS_EXAMPLES" not in os.environ, database=None,
    suppress_health_check=ANY_SPEED,
)  # fmt: skip
PICTURE = picture(1, 64, 48)

numbers = st.sampled_from([0, -0.0, 1, -1, 5, 64, 48, 0.5, 1e308, -1e308, 5e-324, 2**64, 10**399]) | st.floats() | st.integers()
plain = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from(["1", "NaN", "1.png", "Tree", "\ud800", "\0"])
keys = st.text(max_size=3)
anything = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3))
ids = st.sampled_from([1, 1, 1, 2, 0, "1", 1.0, None]) | plain
sides = st.lists(st.sampled_from([0, 10, 20, 40, 2.5]) | numbers, min_size=4, max_size=4)
flat = st.lists(st.lists(st.sampled_from([0, 1, 2.5, 60]) | numbers, max_size=9), max_size=3)
FIELDS = {
    "id": ids, "image_id": ids, "category_id": ids, "bbox": sides | anything, "segmentation": flat | anything,
    "iscrowd": st.sampled_from([0, 1]) | anything, "keypoints": anything, "attributes": anything, "area": anything,
    "annotator": plain, "job": anything,
}  # fmt: skip
annotations = st.fixed_dictionaries({}, optional=FIELDS) | anything
names = st.sampled_from(["1.png", "2.png", "../1.png", "gone.png", "sub/1.png"]) | plain
images = st.fixed_dictionaries(
    {"id": ids, "file_name": names}, optional={"width": st.just(64) | plain, "height": st.just(48) | plain, "group": anything}
)
categories = st.fixed_dictionaries({"id": ids, "name": st.sampled_from(["Tree", "Dead", ""]) | plain}) | anything
documents = st.fixed_dictionaries({
    "images": st.lists(images | anything, max_size=4), "annotations": st.lists(annotations, max_size=6),
    "categories": st.lists(categories, max_size=3),
})  # fmt: skip


def read(kind: str, files: dict[str, bytes]) -> Labelled | None:
    """As ingest_labels reads it, to its rows; None where it is refused."""
    tree = RecordedTree(sorted(files), files.__getitem__, files.__getitem__)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about pictures of odd bytes
            labelled = read_tree(tree, kind)
    except Refused:
        return None
    item = Item("d/annotations.json", "1", "finished", "delivered", None, name="d")  # type: ignore[arg-type]
    images, annotations = ImageTable(), AnnotationTable("trees")
    images.add(image_row("trees", item, one) for one in labelled.pictures)
    annotations.add(item, labelled)
    to_parquet(images.table())
    assert from_parquet(to_parquet(annotations.table())).num_rows == count(labelled)
    return labelled


def count(labelled: Labelled) -> int:
    return sum(len(one.shapes) for one in labelled.pictures) + len(labelled.strays)


@steady
@given(documents)
def test_every_annotation_of_any_coco_document_has_a_row(document: dict[str, Any]) -> None:
    labelled = read("coco", {"a.json": json.dumps(document).encode(), "1.png": PICTURE, "2.png": PICTURE})
    assert labelled is not None
    assert count(labelled) == len(document["annotations"])
    assert len(labelled.pictures) == len(document["images"])


@steady
@given(anything)
def test_any_other_json_is_refused(content: object) -> None:
    assert read("coco", {"a.json": json.dumps(content).encode()}) is None


BOX = "<object><name>Tree</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
SOUND: dict[str, tuple[str, bytes, dict[str, bytes]]] = {
    "coco": (
        "a.json",
        b'{"images":[{"id":1,"file_name":"1.png","width":64,"height":48}],"annotations":[{"id":1,"image_id":1,"category_id":1,'
        b'"bbox":[0,0,10,10],"segmentation":[[0,0,10,0,10,10]]},{"id":2,"image_id":1,"category_id":1,"iscrowd":1,"bbox":[1,1,9,9],'
        b'"segmentation":{"counts":[0,3072],"size":[48,64]}}],"categories":[{"id":1,"name":"Tree"}]}',
        {"1.png": PICTURE},
    ),
    "yolo": (
        "labels/1.txt",
        b"0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.5 0.1 0.5 0.5\n0 0.25 0.25 0.125 0.5\n",
        {"images/1.png": PICTURE, "data.yaml": b"names: [Tree, Dead]"},
    ),
    "voc": (
        "Annotations/1.xml",
        f"<annotation><filename>1.png</filename><size><width>64</width><height>48</height></size>{BOX * 3}</annotation>".encode(),
        {"JPEGImages/1.png": PICTURE},
    ),
    "cvat_xml": (
        "annotations.xml",
        b'<annotations><image id="0" name="1.png" width="64" height="48"><box label="Tree" xtl="0" ytl="0" xbr="9.5" ybr="9"/>'
        b'<polygon label="Tree" points="1,1;9,1;9,9"/><mask label="Tree" left="0" top="0" width="4" height="2" rle="1, 7"/>'
        b'<ellipse label="Tree" cx="9" cy="9" rx="3" ry="2" rotation="9"/><tag label="Tree"/></image></annotations>',
        {"images/1.png": PICTURE},
    ),
    "datumaro": (
        "annotations/train.json",
        b'{"categories":{"label":{"labels":[{"name":"Tree"}]}},"items":[{"id":"1","image":{"path":"1.png","size":[48,64]},"annotations":'
        b'[{"type":"bbox","label_id":0,"bbox":[0,0,10,10]},{"type":"polygon","label_id":0,"points":[0,0,9,0,9,9]},'
        b'{"type":"mask","label_id":0,"rle":{"counts":[0,3072],"size":[48,64]}},{"type":"label","label_id":0}]}]}',
        {"images/train/1.png": PICTURE},
    ),
}  # fmt: skip


PUT = [b"9" * 5000, b"nan", b"1e999", b"-", b"[", b"<a>", b'"', b"\xff\xfe"]


@st.composite
def mutated(draw: st.DrawFn, sound: bytes) -> bytes:
    """A few bytes flipped, put in, taken out, or doubled; or cut short."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 12))
        match draw(st.sampled_from(["flip", "put", "take", "double", "cut"])):
            case "flip" if data:
                data[start] ^= draw(st.integers(1, 255))
            case "put":
                data[start:start] = draw(st.binary(max_size=4) | st.sampled_from(PUT))
            case "take":
                del data[start : start + length]
            case "double":
                data[start:start] = data[start : start + length]
            case "cut":
                del data[start:]
    return bytes(data)


@pytest.mark.parametrize("kind", list(SOUND))
def test_sound_labels_of_a_kind_mutated_are_read_or_refused(kind: str) -> None:
    path, sound, beside = SOUND[kind]
    assert read(kind, {**beside, path: sound}) is not None

    @steady
    @given(mutated(sound))
    def check(data: bytes) -> None:
        labelled = read(kind, {**beside, path: data})
        expected = written(kind, data) if labelled is not None else None
        if labelled is not None and expected is not None:
            assert count(labelled) == expected

    check()


def written(kind: str, data: bytes) -> int | None:
    """How many annotations a text of the kind has, as another reader counts them; None where that is not plain to see."""
    if kind == "yolo":
        utf8 = not data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return len([line for line in data.decode("utf-8", "replace").splitlines() if line.split()]) if utf8 else None
    if kind not in ("voc", "cvat_xml"):
        return None
    try:
        root = ElementTree.fromstring(data)  # no document type survives RecordedTree
    except ElementTree.ParseError:
        return None
    if kind == "voc":
        return len(root.findall("object")) if root.tag == "annotation" else None
    shapes = [one for image in root.iter("image") for one in image if one.tag in ("box", *SHAPES)]
    return len(shapes) if root.tag == "annotations" else None


def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(path for key, one in inner for path in paths(one, (*above, key)))]


@pytest.mark.parametrize("kind", ["coco", "datumaro"])
def test_json_with_other_values_and_keys_is_read_or_refused(kind: str) -> None:
    path, sound, beside = SOUND[kind]
    ways = st.sampled_from(["value", "key", "gone"])
    places = [place for place in paths(json.loads(sound)) if place]

    @steady
    @given(st.lists(st.tuples(st.sampled_from(places), ways, anything), min_size=1, max_size=3))
    def check(changes: list[tuple[tuple[Any, ...], str, Any]]) -> None:
        content = json.loads(sound)
        for place, how, value in changes:
            change(content, place, how, value)
        labelled = read(kind, {**beside, path: json.dumps(content).encode()})
        if kind == "coco" and labelled is not None:
            assert count(labelled) == len(content["annotations"])

    check()


def change(content: Any, place: tuple[Any, ...], how: str, value: Any) -> None:
    """In place; where an earlier change took the place away, nothing."""
    try:
        for key in place[:-1]:
            content = content[key]
        if how == "value":
            content[place[-1]] = value
        else:
            old = content.pop(place[-1])
            if how == "key" and isinstance(content, dict):
                content[str(value)[:9].encode("utf-8", "replace").decode()] = old
    except (KeyError, IndexError, TypeError, AttributeError):
        return


def test_a_batch_of_any_documents_is_divided_to_the_last_row(
    tmp_path_factory: pytest.TempPathFactory, step_run: Callable[..., StepRun[Any]]
) -> None:
    """Through both steps, many documents in a batch."""

    phases = (Phase.explicit, Phase.generate)  # to make a failing batch smaller would take minutes

    @settings(steady, max_examples=max(2, EXAMPLES // 30), phases=phases)
    @given(st.lists(documents, min_size=20, max_size=20))
    def check(many: list[dict[str, Any]]) -> None:
        folder: Path = tmp_path_factory.mktemp("store")
        for number, document in enumerate(many):
            files = {f"{n}.png": picture(2 * number + n) for n in (1, 2)}
            deliver(folder, f"d{number}", json.dumps(document).encode(), files)
        store = open_store(f"file://{folder}")
        first = step_run("ingest_labels", IngestLabels(source="trees", prefix="inbox/trees"), store, {})
        batch = publish(store, ingest(first), first.output)
        config = ValidateAnnotations(source="trees", owner="lead", classes={"Tree": "Tree", "Dead": "Tree"})
        checked = validate(step_run("validate_annotations", config, store, {"batch": batch.standing_address}))
        content = ContentStore(store)
        findings = from_parquet(content.get(checked.findings_table)).to_pylist()
        for subject in ("image", "annotation"):
            table, accepted = (getattr(card, f"{subject}s_table") for card in (batch, checked))
            came, stands = (from_parquet(content.get(md5))[f"{subject}_key"].to_pylist() for md5 in (table, accepted))
            aside = [row["key"] for row in findings if row["subject"] == subject and row["action"].startswith("reject")]
            assert sorted([*stands, *aside]) == sorted(came)
            assert len(came) == sum(len(document[f"{subject}s"]) for document in many)

    check()
