"""Label Studio's JSON of a task becomes the COCO that was worked out by hand."""

import copy
import json

import pytest

from include.labelling.label_studio.files import name_of
from include.labelling.label_studio.tasks import Rule
from tests.labelled_coco import case, coco_of

PEOPLE = {1: "lead@example.com", 3: "carol@example.com"}
IMAGES = {"image": "image"}


def task():
    return copy.deepcopy(case("label_studio/shapes"))


def test_annotations_of_a_task_become_the_coco_worked_out_by_hand():
    assert coco_of(Rule("labelled", people=PEOPLE).labelled(task(), IMAGES)) == case("label_studio/shapes.coco")


def test_regions_with_one_id_by_two_people_are_told_apart():
    (picture,) = Rule("labelled").labelled(task(), IMAGES).pictures
    assert [shape.annotation_id for shape in picture.shapes if shape.annotation_id.endswith("/a1")] == ["11/a1", "12/a1"]


@pytest.mark.parametrize(
    ("rule", "annotators", "counted"),
    [
        ("labelled", None, [11, 12]),
        ("annotated", ("bob@example.com",), [12]),
        ("ground_truth", None, [11]),
        ("reviewed", None, []),
    ],
)
def test_only_what_the_rule_counts_is_taken(rule, annotators, counted):
    assert [one["id"] for one in Rule(rule, annotators, people=PEOPLE).counted(task())] == counted


@pytest.mark.parametrize(
    ("rule", "changed", "status"),
    [
        ("labelled", {}, "finished"),
        ("labelled", {"is_labeled": False}, "waiting"),
        ("annotated", {"is_labeled": False}, "finished"),
        ("reviewed", {}, "waiting"),
        ("labelled", {"annotations": []}, "gone"),
        ("labelled", {"annotations": [], "updated_by": []}, "waiting"),
        ("labelled", {"annotations": [], "drafts": [{"id": 1}]}, "waiting"),
        ("labelled", {"annotations": [{"id": 1, "was_cancelled": True}]}, "skipped"),
    ],
    ids=["labelled", "too few people", "anyone", "not reviewed", "all deleted", "untouched", "draft", "skipped"],
)
def test_status_of_a_task_follows_the_rule(rule, changed, status):
    assert Rule(rule).status(task() | changed) == status


def test_annotators_are_those_of_counted_annotations_who_saw_nothing_too():
    changed = task()
    changed["annotations"] += [
        {"id": 13, "completed_by": 3, "result": []},
        {"id": 14, "completed_by": 4, "result": [], "was_cancelled": True},
    ]
    (picture,) = Rule("annotated", people=PEOPLE).labelled(changed, IMAGES).pictures
    assert picture.annotators == ("lead@example.com", "bob@example.com", "carol@example.com")
    (picture,) = Rule("annotated", ("bob@example.com",), people=PEOPLE).labelled(changed, IMAGES).pictures
    assert picture.annotators == ("bob@example.com",)


def test_last_review_decides_and_names_the_reviewer():
    said = task()
    said["annotations"][0]["reviews"] = [
        {"accepted": False, "created_by": {"id": 9, "email": "rita@example.com"}, "created_at": "2026-11-21T08:00:00Z"},
        {"accepted": True, "created_by": {"id": 9, "email": "rita@example.com"}, "created_at": "2026-11-21T09:00:00Z"},
    ]
    (picture,) = Rule("reviewed", people=PEOPLE).labelled(said, IMAGES).pictures
    told = {(shape.annotator, shape.reviewer, shape.reviewed_at) for shape in picture.shapes}
    assert told == {("lead@example.com", "rita@example.com", "2026-11-21T09:00:00+00:00")}
    said["annotations"][0]["reviews"].reverse()
    assert Rule("reviewed").status(said) == "finished"


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        (lambda said: said["annotations"][0].update(updated_at="2026-11-21T05:10:00.500001Z"), True),
        (lambda said: said["annotations"].pop(), True),
        (lambda said: said["annotations"][1].update(ground_truth=True), True),
        (lambda said: said.update(updated_at="2026-11-22T00:00:00Z", predictions=[{"id": 1}]), False),
    ],
    ids=["changed", "deleted", "marked as truth", "prediction posted"],
)
def test_revision_follows_annotations_only(change, is_other):
    said = task()
    before = Rule("labelled").item(said).revision
    change(said)
    assert (Rule("labelled").item(said).revision != before) is is_other


def test_images_of_several_pages_and_of_one_name_are_pictures_of_their_own():
    said = task() | {"data": {"pages": ["http://x/a.png", "http://x/a.png"], "other": None}}
    said["annotations"] = [said["annotations"][0]]
    for position, result in enumerate(said["annotations"][0]["result"][:2]):
        result["item_index"] = position
    found = Rule("labelled").labelled(said, {"image": "pages", "side": "other"})
    assert [picture.name for picture in found.pictures] == ["a.png", "pages-1/a.png", "task-4/other-0"]
    assert [len(picture.shapes) for picture in found.pictures] == [11, 1, 0]
    assert "None" in found.pictures[2].missing
    assert found.strays == ()


def test_region_of_no_image_is_a_stray():
    said = task()
    said["annotations"][1]["result"][0]["to_name"] = "sound"
    assert [shape.annotation_id for shape in Rule("labelled").labelled(said, IMAGES).strays] == ["12/a1"]


def test_mask_that_ends_early_is_kept_without_a_box():
    said = task()
    brush = next(one for one in said["annotations"][0]["result"] if one["type"] == "brushlabels")
    brush["value"]["rle"] = brush["value"]["rle"][:-6]
    (picture,) = Rule("labelled").labelled(said, IMAGES).pictures
    assert [shape.kind for shape in picture.shapes if shape.annotation_id == "11/a7"] == ["other"]


def test_mask_has_its_runs():
    (picture,) = Rule("labelled").labelled(task(), IMAGES).pictures
    (mask,) = (shape for shape in picture.shapes if shape.kind == "mask")
    assert json.loads(mask.geometry) == {"rle": [0, 50], "box_px": [30, 40, 10, 5]}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/1/ba48566d-tree_one.png", "ba48566d-tree_one.png"),
        ("/data/local-files/?d=site%20one/a.png", "site one/a.png"),
        ("/data/local-files/?d=../../etc/passwd", "task-1"),
        ("https://cdn.example/x/y%20z.jpg?sig=1", "x/y z.jpg"),
        ("s3://bucket/trees/a.png", "trees/a.png"),
        ("/tasks/4/resolve/?fileuri=czM6Ly9idWNrZXQvdHJlZXMvYS5wbmc=", "trees/a.png"),
        ("data:image/png;base64,AAAA", "task-1"),
        ("", "task-1"),
    ],
)
def test_name_says_which_file_it_is_and_leaves_no_folder(address, name):
    assert name_of(address, "task-1") == name
