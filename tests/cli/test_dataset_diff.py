import json

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.storage import open_store
from tests.versions import png, put_version

NONE = {"on added images": 0, "on removed images": 0}


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """trees:v1 and v2: a box moved, one added and one relabelled on b.png; c.png is new."""
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    store = open_store(f"file://{tmp_path}/store")
    images = [{"relpath": "images/a.png"}, {"relpath": "images/b.png", "split": "test"}]
    boxes = [
        {"image": "images/a.png", "class_name": "Tree", "box": (4, 4, 20, 20), "annotator": "ann", "job": "7"},
        {"image": "images/b.png", "class_name": "Tree", "box": (10, 10, 20, 20), "annotator": "ann", "job": "7"},
        {"image": "images/b.png", "class_name": "Tree", "box": (40, 10, 12, 12), "annotator": "ann", "job": "7"},
    ]
    put_version(store, "trees", ("Tree", "Bush"), images, boxes)
    after = [
        boxes[0],
        boxes[1] | {"box": (12, 10, 20, 20), "annotator": "bob", "job": "8"},
        boxes[2] | {"class_name": "Bush", "annotator": "bob", "job": "8"},
        {"image": "images/b.png", "class_name": "Bush", "box": (2, 34, 8, 8), "annotator": "bob", "job": "8"},
    ]
    put_version(store, "trees", ("Tree", "Bush"), [*images, {"relpath": "images/c.png"}], after)
    return store


def run(*args):
    return CliRunner().invoke(app, ["dataset", "diff", *args], catch_exceptions=False)


def test_the_diff_for_scripts_names_every_change(versions):
    found = json.loads(run("trees:v1", "trees:latest", "--json").stdout)
    assert (found["before"], found["after"]) == ("trees:v1", "trees:v2")
    counts = {name: value for name, value in found["boxes"].items() if name != "changes"}
    assert counts == {"added": 1, "removed": 0, "moved": 1, "relabelled": 1, "attributes changed": 0, "unchanged": 1} | NONE
    assert [(one["change"], one["relpath_after"]) for one in found["images"]["changes"]] == [("added", "images/c.png")]
    (moved,) = (one for one in found["boxes"]["changes"] if one["change"] == "moved")
    # 18 × 20 px shared, 2 × 400 − 360 px covered
    assert moved["iou"] == pytest.approx(360 / 440)
    assert (moved["x_px_before"], moved["x_px_after"], moved["job_before"], moved["job_after"]) == (10, 12, "7", "8")
    (added,) = (one for one in found["boxes"]["changes"] if one["change"] == "added")
    assert (added["iou"], added["annotator_before"], added["annotator_after"]) == (None, None, "bob")
    of_bob = {"added": 1, "removed": 0, "moved": 1, "relabelled": 1, "attributes changed": 0}
    assert found["by"]["annotator"] == {"bob": of_bob | NONE}


def test_the_diff_for_people_has_the_sums(versions):
    shown = " ".join(run("trees:v1", "trees:v2").stdout.split())
    assert "trees:v1 → trees:v2" in shown
    assert "boxes 1 0 1 1 0 0 0 1" in shown
    assert "Tree → Bush 0 0 0 1 0 0 0" in shown
    assert "bob 1 0 1 1 0 0 0" in shown


def test_a_version_against_itself_changed_nothing(versions):
    found = json.loads(run("trees:v2", "trees:v2", "--json").stdout)
    assert (found["images"]["unchanged"], found["boxes"]["unchanged"]) == (3, 4)
    assert found["boxes"]["changes"] == found["images"]["changes"] == []


def test_the_page_draws_the_changed_pictures_and_no_others(versions, tmp_path):
    run("trees:v1", "trees:v2", "--html", str(tmp_path / "diff.html"))
    page = (tmp_path / "diff.html").read_text()
    assert page.count("<img ") == 1
    assert "title='images/b.png'" in page
    assert "1 added, 1 moved, 1 relabelled" in page
    assert "://" not in page


def test_a_page_of_a_picture_that_cannot_be_read_is_made_all_the_same(versions, tmp_path):
    images = [{"relpath": "images/a.png"}, {"relpath": "images/b.png", "data": png("images/b.png")}]
    moved = [{"image": "images/a.png", "class_name": "Tree", "box": (5, 4, 20, 20)}]
    made = put_version(versions, "trees", ("Tree", "Bush"), images, moved)
    (broken,) = (
        path for path in (tmp_path / "store/files/md5").rglob("*") if path.is_file() and path.read_bytes() == png("images/a.png")
    )
    broken.write_bytes(b"no picture")
    failed = CliRunner().invoke(app, ["dataset", "diff", "trees:v2", made.label, "--html", str(tmp_path / "diff.html")])
    assert "the bytes changed" in str(failed.exception)


def test_the_diff_says_how_far_each_column_moved(versions):
    found = json.loads(run("trees:v1", "trees:v2", "--json").stdout)["shift"]
    assert list(found) == ["all", "train", "test"]
    (classes,) = (one for one in found["all"] if one["column"] == "class_name")
    # three trees; then two trees and two bushes: so few that chance gives it
    assert (classes["before"], classes["after"], classes["verdict"]) == (3, 4, "too few")
    assert [(bar["name"], bar["before"], bar["after"]) for bar in classes["bars"]] == [("Tree", 1.0, 0.5), ("Bush", 0.0, 0.5)]
    shown = " ".join(run("trees:v1", "trees:v2").stdout.split())
    assert "shift of verdict PSI KS p train test" in shown
    assert "brightness not measured" in shown


def test_the_card_for_scripts_has_the_shift_since_the_version_before(versions, tmp_path):
    def card(*args):
        return CliRunner().invoke(app, ["dataset", "card", *args])

    found = json.loads(card("trees:v2", "--json").stdout)
    assert (found["version"], found["before"]) == ("trees:v2", "trees:v1")
    assert {one["column"] for one in found["shift"]["all"]} >= {"class_name", "size_px", "site", "brightness"}
    assert json.loads(card("trees:v1", "--json").stdout) == {"version": "trees:v1", "before": None, "shift": {}}
    assert "expected where to write the page" in str(card("trees:v1").exception)
    assert "wrote" not in card("trees:v2", str(tmp_path / "card.html")).stdout
    assert "Shift since trees:v1" in (tmp_path / "card.html").read_text()
