"""The commands that make versions, as they are typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.artifacts import DatasetVersion
from include.errors import ConfigError, NothingToDo
from include.storage import ContentStore, open_store
from include.versions.contents import Contents
from tests.versions import png, put_version


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    store = open_store(f"file://{tmp_path}/store")
    images = [{"relpath": f"images/{name}.png", "attributes": {"site": site}} for name, site in [("a", "north"), ("b", "south")]]
    boxes = [{"image": f"images/{name}.png", "class_name": "Tree", "box": (30, 1, 9, 9)} for name in "ab"]
    put_version(store, "trees", ("Tree",), images, boxes)
    put_version(store, "cars", ("car", "bus"), [{"relpath": "images/c.png"}],
                [{"image": "images/c.png", "class_name": "car", "box": (1, 1, 9, 9)}])  # fmt: skip
    return store


# Dies as by the OOM killer, just before its n-th write to the store; its workers do not.
DYING = """
import os, runpy, signal, sys, obstore
put, left = obstore.put, [int(sys.argv.pop(1))]
def dying_put(*args, **kwargs):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*args, **kwargs)
obstore.put = dying_put
runpy.run_module("cli", run_name="__main__", alter_sys=True)
"""


def visionloop(*words):
    return CliRunner().invoke(app, ["dataset", *words], catch_exceptions=False).output


def made(store, label):
    name, version = label.split(":")
    card = DatasetVersion.load(store, f"datasets/{name}/{version}.json")
    return card, Contents.read(ContentStore(store), card)


@pytest.mark.parametrize(
    ("words", "name", "images"),
    [
        (["tile", "trees:v1", "--size", "32", "--overlap", "8"], "trees-tile", 12),
        (["resize", "trees:latest", "--max-side", "32", "--name", "small"], "small", 2),
        (["crop", "trees:v1", "--region", "0%,50%,100%,50%"], "trees-crop", 2),
        (["reencode", "trees:v1", "--format", "jpeg", "--quality", "90"], "trees-reencode", 2),
        (["reclassify", "trees:v1", "--map", "Tree=Plant"], "trees-reclassify", 2),
        (["augment", "trees:v1", "--copies", "2", "--flip", "vertical", "--quarter-turns"], "trees-augment", 6),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_transform_makes_a_dataset_of_its_own(store, words, name, images):
    said = visionloop("transform", *words)
    card, contents = made(store, f"{name}:v1")
    assert said.startswith(f"{name}:v1  train {images}")
    assert (card.operation, len(contents.images)) == ("transform", images)
    assert len(list(store.list("datasets/trees"))) == 1  # what the nightly build adds to is as it was


def test_a_transforms_parameters_are_in_the_card(store):
    card = json.loads(visionloop("transform", "drop-small", "trees:v1", "--min-area", "5000", "--json"))
    assert card["config"]["do"]["how"] == {"kind": "drop_small", "min_side_px": None, "min_area_px2": 5000.0}
    assert card["counts"] == {"annotations_left_out": 2}


def test_merge_maps_classes_of_all_or_of_one_version(store):
    visionloop(
        "merge", "trees:v1", "cars:v1", "--name", "all", "--map", "car=vehicle", "--map", "cars/bus=", "--classes", "vehicle,Tree"
    )
    card, contents = made(store, "all:v1")
    assert card.classes == ("vehicle", "Tree")
    assert sorted(contents.annotations["class_name"]) == ["Tree", "Tree", "vehicle"]


def test_a_filter_is_typed_as_it_is_read(store):
    visionloop("filter", "trees:v1", "--where", "site == north", "--where", "width_px>=64", "--name", "north")
    assert made(store, "north:v1")[1].images["relpath"].tolist() == ["images/a.png"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["filter", "trees:v1", "--where", "site = north"], "expected <column> ==|!="),
        (
            ["transform", "tile", "trees:v1", "--size", "4"],
            "dataset transform: do.transform.how.tile.size_px: got 4",
        ),
        (["transform", "crop", "trees:v1", "--region", "0,50%,1,1"], "--region: got '0,50%,1,1', expected left,top,width,height"),
        (["transform", "reclassify", "trees:v1", "--map", "Tree"], "--map: got 'Tree', expected"),
        (["merge", "trees:v1", "cars:v1", "--labels", "newest"], "do.merge.labels: got 'newest'"),
        (["merge", "trees:v1"], "merge: got 1 parent versions"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said_in_one_line(store, words, says):
    with pytest.raises(ConfigError) as error:
        visionloop(*words)
    assert says in str(error.value)


def test_a_killed_command_typed_again_goes_on_where_it_was(store, tmp_path):
    names = [f"images/{number:03}.png" for number in range(80)]
    put_version(store, "many", ("Tree",), [{"relpath": name} for name in names], [])
    words = ["dataset", "transform", "tile", "many:latest", "--size", "32"]
    root = Path(__file__).resolve().parents[2]

    def run(writes):
        command = [sys.executable, "-c", DYING, str(writes), *words]
        return subprocess.run(command, cwd=root, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=120)

    assert run(2).returncode == -9
    chunks = [entry.key for entry in store.list("runs/by_hand") if "/chunks/" in entry.key]
    assert len(chunks) == 3  # 80 images, 32 in each
    for name in names:  # what was redrawn is not read again
        md5 = ContentStore(store).put(png(name))
        (tmp_path / "store/files/md5" / md5[:2] / md5[2:]).unlink()
    done = run(10**9)
    assert done.returncode == 0, done.stderr
    _, contents = made(store, "many-tile:v1")
    assert len(contents.images) == 4 * 80
    assert [one.key for one in store.list("datasets/many-tile") if one.key.endswith(".json")] == ["datasets/many-tile/v1.json"]


def test_a_finished_command_typed_again_is_a_run_of_its_own(store):
    store.write("raw/a.png", png("a"))
    visionloop("adopt", "raw", "--name", "grown")
    store.write("raw/b.png", png("b"))
    visionloop("adopt", "raw", "--name", "grown")
    assert len(made(store, "grown:v2")[1].images) == 2
    runs = {made(store, f"grown:v{number}")[0].made_by.run_id for number in (1, 2)}
    assert len(runs) == 2
    with pytest.raises(NothingToDo, match="adopt changed nothing: grown:v2"):
        visionloop("adopt", "raw", "--name", "grown")


def test_latest_is_what_it_names_when_the_command_is_typed(store):
    visionloop("filter", "trees:latest", "--where", "site == north", "--name", "north")
    put_version(store, "trees", ("Tree",), [{"relpath": "images/n.png", "attributes": {"site": "north"}}], [])
    visionloop("filter", "trees:latest", "--where", "site == north", "--name", "north")
    assert made(store, "north:v2")[0].parents == ("datasets/trees/v2.json",)
