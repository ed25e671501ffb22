"""`visionloop dataset checkout`, `dvc export`, `dvc import`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.storage import Store, open_store
from tests.versions import png, put_version


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """With trees:v1, three images and a box."""
    url = f"file://{tmp_path}/store"
    for name, value in {"STORE": url, "STARTED_BY": "ann b"}.items():
        monkeypatch.setenv(f"VISIONLOOP_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = [{"relpath": f"images/{name}.png"} for name in "abc"]
    boxes = [{"image": "images/a.png", "class_name": "Tree", "box": (1, 2, 10, 10)}]
    put_version(opened := open_store(url), "trees", ("Tree",), images, boxes)
    return opened


def run(*words: object) -> Any:
    """What --json says."""
    done = CliRunner().invoke(app, ["dataset", *map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_checkout_says_what_it_did_and_is_recorded(store: Store, tmp_path: Path) -> None:
    first = run("checkout", "trees:latest", tmp_path / "data")
    assert (first["version"], first["files"], first["written"], first["kept"]) == ("trees:v1", 6, 6, 0)
    assert (tmp_path / "data/images/a.png").read_bytes() == png("images/a.png")
    assert run("checkout", "trees:v1", tmp_path / "data")["kept"] == 6
    read_by = run("show", "trees:v1")["read_by"]
    assert [(one["who"], one["what"], one["where"].split(":", 1)[1]) for one in read_by] == [
        ("ann b", "checkout", str(tmp_path / "data"))
    ] * 2
    assert "ann b" in CliRunner().invoke(app, ["dataset", "show", "trees:v1"]).stdout


def test_records_of_access_are_no_versions_and_no_datasets(store: Store, tmp_path: Path) -> None:
    run("checkout", "trees:v1", tmp_path / "data")
    assert [one["version"] for one in run("list")] == ["v1"]


def test_without_a_terminal_no_bar_is_drawn(store: Store, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["dataset", "checkout", "trees:v1", str(tmp_path / "data")])
    assert done.stdout.splitlines()[0].startswith("trees:v1 is in")
    assert done.stderr == ""


def test_an_export_is_recorded_and_comes_back_by_import(store: Store, tmp_path: Path) -> None:
    done = run("dvc", "export", "trees:v1", tmp_path / "repo")
    assert done["dvc_file"] == str(tmp_path / "repo/trees.dvc")
    assert run("show", "trees:v1")["read_by"][0]["what"] == "dvc export"
    taken = run("dvc", "import", done["dvc_file"], "--name", "woods")
    assert (taken["name"], taken["version"], taken["operation"]) == ("woods", "v1", "import_dvc")
    assert taken["digest"] == run("show", "trees:v1")["digest"]
    assert taken["counts"]["objects_copied"] == 0


def test_a_remote_can_be_named_by_hand(store: Store, tmp_path: Path) -> None:
    digest = run("show", "trees:v1")["digest"]
    (tmp_path / "woods.dvc").write_text(f"outs:\n- md5: {digest}.dir\n  hash: md5\n  path: some/woods\n")
    assert run("dvc", "import", tmp_path / "woods.dvc", "--remote", tmp_path / "store")["name"] == "woods"


def test_a_wrong_kind_of_link_is_refused_before_anything_is_done(store: Store, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["dataset", "checkout", "trees:v1", str(tmp_path / "data"), "--link", "soft"])
    assert "got 'soft', expected copy, hard or sym" in str(done.exception)
    assert not (tmp_path / "data").exists()
    assert run("show", "trees:v1")["read_by"] == []
