"""`visionloop dataset verify | gc`, as typed."""

import json
import os
import time

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from include.errors import BadInputError, ConfigError
from include.storage import ContentStore, open_store
from include.storage.content import content_key, md5_of
from include.versions import aliases
from tests.versions import png, put_version

A, B = "images/a.png", "images/b.png"
DAY_S = 86400


@pytest.fixture
def store(tmp_path, monkeypatch):
    """trees:v1 with two images, trees:v2, which is golden, with one of them."""
    store = open_store(f"file://{tmp_path}/store")
    put_version(store, "trees", ("Tree",), [{"relpath": A}, {"relpath": B}], [])
    put_version(store, "trees", ("Tree",), [{"relpath": A}], [])
    aliases.move(store, "trees", "golden", "v2", "ann")
    monkeypatch.setenv("VISIONLOOP_STORE", store.url)
    monkeypatch.setenv("VISIONLOOP_STARTED_BY", "ada")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return store


def run(*words):
    return CliRunner().invoke(app, ["dataset", *words])


def test_verify_names_damage_and_whom_it_touches_marks_it_and_lifts_the_mark(store):
    assert run("verify", "--all").output.startswith("2 versions, ")
    store.delete(content_key(md5_of(png(A))))
    done = run("verify", "--all")
    assert isinstance(done.exception, BadInputError)
    assert str(done.exception) == "2 of 2 versions are damaged, and marked as broken"
    assert "trees:v2: 1 damaged objects; models: none; aliases: golden" in done.output
    assert [line.split()[:2] for line in done.output.splitlines()].count([A, "missing"]) == 2
    assert run("show", "trees:v2").output.startswith("trees:v2: BROKEN, 1 damaged objects")
    assert json.loads(run("show", "trees:v2", "--json").output)["broken"]["found_by"] == "by hand: ada"
    ContentStore(store).put(png(A))
    assert "trees:v2 is whole again: its mark is lifted" in run("verify", "trees:golden").output
    assert run("show", "trees:v2").output.startswith("trees:v2\n")
    assert json.loads(run("verify", "--all", "--json").output)["mended"] == ["trees:v1"]


def test_verify_wants_a_version_or_all(store):
    assert isinstance(run("verify").exception, ConfigError)
    assert isinstance(run("verify", "trees:v1", "--all").exception, ConfigError)


def test_gc_says_what_it_would_do_and_does_it_only_when_told(store, tmp_path):
    key = content_key(ContentStore(store).put(b"litter"))

    def days_pass():
        for path in (tmp_path / "store").rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() - 8 * DAY_S,) * 2)

    days_pass()
    said = run("gc")
    assert ["would", "be", "condemned", "1", "6"] in [line.split() for line in said.output.splitlines()]
    assert "nothing was changed: --delete does it" in said.output
    assert json.loads(run("gc", "--json").output)["dry_run"] is True
    assert not list(store.list("gc"))
    assert run("gc", "--delete").exit_code == 0
    assert store.exists(key)
    days_pass()
    before = {entry.key for entry in store.list("files")}
    assert json.loads(run("gc", "--delete", "--json").output)["deleted"] == 1
    assert {entry.key for entry in store.list("files")} == before - {key}


def test_gc_takes_no_grace_that_a_publish_may_outlive(store):
    assert run("gc", "--grace", "0.5").exit_code == 2
