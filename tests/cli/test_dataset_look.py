"""`visionloop dataset list | show | history | alias | filter | exclude`, as typed."""

import json

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.errors import BadInputError, ConfigError
from include.storage import open_store
from tests.versions import put_version

IMAGES = [
    {"relpath": f"images/{name}.png", "group": name, "split": split, "attributes": {"site": site}}
    for name, split, site in (("a", "train", "north"), ("b", "val", "south"), ("c", "test", "south"))
]
BOXES = [
    {"image": "images/a.png", "class_name": "Tree", "box": (1, 1, 9, 9)},
    {"image": "images/a.png", "class_name": "Bush", "box": (20, 20, 9, 9)},
    {"image": "images/c.png", "class_name": "Tree", "box": (1, 1, 9, 9)},
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """trees:v1 with three images, trees:v2 with two of them."""
    store = open_store(f"file://{tmp_path}")
    put_version(store, "trees", ("Tree", "Bush"), IMAGES, BOXES)
    put_version(store, "trees", ("Tree", "Bush"), IMAGES[:2], BOXES[:2])
    monkeypatch.setenv("VISIONLOOP_STORE", store.url)
    monkeypatch.setenv("VISIONLOOP_STARTED_BY", "ada")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, ["dataset", *words])


def test_list_has_a_line_per_version(run):
    run("alias", "trees:v1", "golden")
    lines = run("list").output.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["trees:v1", "3", "3"], ["trees:v2", "2", "2"]]
    assert lines[1].rstrip().endswith("golden")
    assert [one["version"] for one in json.loads(run("list", "trees", "--json").output)] == ["v1", "v2"]


def test_list_of_an_unknown_dataset_names_those_there_are(run):
    assert isinstance(error := run("list", "crowns").exception, BadInputError)
    assert str(error) == "dataset crowns: no version; the datasets are trees"


def test_show_tells_splits_classes_and_provenance(run):
    text = run("show", "trees:v1").output
    rows = [line.split() for line in text.splitlines()]
    for row in (["train", "1", "2", "1"], ["val", "1", "0", "1"], ["test", "1", "1", "1"], ["Tree", "2"], ["Bush", "1"]):
        assert row in rows
    assert "0.5000 EUR" in text
    assert "started by a test" in text
    shown = json.loads(run("show", "trees:latest", "--json").output)
    assert (shown["version"], shown["aliases"], shown["models"]) == ("v2", [], [])


def test_history_goes_back_to_the_first(run):
    run("filter", "trees:v2", "--where", "site == north", "--name", "north")
    found = json.loads(run("history", "north:v1", "--json").output)
    assert [f"{one['name']}:{one['version']} {one['operation']}" for one in found] == [
        "north:v1 filter", "trees:v2 build", "trees:v1 build",
    ]  # fmt: skip
    assert found[0]["made_by"]["started_by"] == "ada"


def test_an_alias_is_moved_and_remembers_why(run):
    assert "trees:production → v1 (was None)" in run("alias", "trees:v1", "production").output
    assert "(was v1)" in run("alias", "trees:v2", "production", "--reason", "fewer errors").output
    assert json.loads(run("show", "trees:production", "--json").output)["version"] == "v2"
    moves = json.loads(run("alias", "trees:latest", "--json").output)
    assert [(one["version"], one["moved_by"], one["reason"]) for one in moves] == [
        ("v1", "ada", ""),
        ("v2", "ada", "fewer errors"),
    ]


@pytest.mark.parametrize(
    ("where", "relpaths"),
    [
        ("site in north,west", ["images/a.png"]),
        ("site not in north", ["images/b.png", "images/c.png"]),
        ("split != 'test'", ["images/a.png", "images/b.png"]),
        ("width_px >= 64", ["images/a.png", "images/b.png", "images/c.png"]),
    ],
)
def test_conditions_are_read_as_people_write_them(run, tmp_path, where, relpaths):
    run("filter", "trees:v1", "--where", where, "--name", "kept")
    kept = json.loads(run("show", "kept:v1", "--json").output)
    listing = tmp_path / "files" / "md5" / kept["digest"][:2] / f"{kept['digest'][2:]}.dir"
    assert [one["relpath"] for one in json.loads(listing.read_text()) if one["relpath"].startswith("images/")] == relpaths


def test_a_condition_that_is_none_is_refused(run):
    assert isinstance(error := run("exclude", "trees:v1", "--where", "site north").exception, ConfigError)
    assert "got 'site north': Value error, expected <column>" in str(error)
