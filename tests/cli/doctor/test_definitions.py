import pytest

from cli.doctor import definitions
from cli.home import free_ports
from tests.cli.doctor.conftest import serving, states

TOKEN = "VISIONLOOP_LABELS_TOKEN__CELLS"


@pytest.fixture
def team(tmp_path, place):
    """A team whose only source is a Label Studio at `url`."""

    def make(url="http://127.0.0.1:9", settings=None, **words):
        (tmp_path / "sources").mkdir()
        (tmp_path / "sources" / "cells.yaml").write_text(
            f"kind: label_studio\nowner: ada\nservice: {{url: '{url}', project: 1}}\n"
        )
        return place({"VISIONLOOP_DEFINITIONS": str(tmp_path)} | (settings or {}), **words)

    return make


def test_files_that_are_well_are_counted(team):
    assert [(one.state, one.found.split()[0]) for one in definitions.parse(team())] == [("ok", "1")]


def test_every_file_that_is_wrong_is_named(team, tmp_path):
    here = team()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cells.yaml").write_text("owner: ada\nepochs: many\n")
    (tmp_path / "sources" / "more.yaml").write_text("kind: [")
    found = definitions.parse(here)
    assert [one.state for one in found] == ["fail", "fail"]
    assert "sources/more.yaml: not readable as YAML" in found[0].found
    assert "models/cells.yaml" in found[1].found


def test_a_service_without_a_token_is_named(team):
    (found,) = definitions.services(team())
    assert (found.check, found.state, TOKEN in found.remedy) == ("source cells", "fail", True)


def test_a_service_that_refuses_the_token_is_named(team, monkeypatch):
    with serving(
        {("GET", path): (401, {}) for path in ("/api/tasks", "/api/tasks/", "/api/projects/1", "/api/projects/1/")}
    ) as url:
        (found,) = definitions.services(team(url, {TOKEN: "wrong"}))
    assert (found.state, TOKEN in found.remedy) == ("fail", True)


@pytest.mark.parametrize(("project", "state"), [(None, "fail"), ("visionloop", "warn")], ids=["embedded", "seen from outside"])
def test_a_service_that_is_off_is_named(team, project, state):
    here = team(f"http://127.0.0.1:{free_ports(1)[0]}", {TOKEN: "t"}, project=project)
    assert states(definitions.services(here)) == {"source cells": state}
