"""docs/checks.md says what is so: its YAML is taken, its actions and options are all there are."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from typer.testing import CliRunner

from cli.__main__ import app
from include.checks.catalogue import Action
from include.definitions.suites import resolve

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "checks.md").read_text()
YAML = dict(re.findall(r"```yaml\n# (include/\S+)\n(.*?)```", DOC, re.DOTALL))


@pytest.fixture
def in_use(tmp_path):
    """The rules of the document's source, by its suite."""
    for name in ("expectations", "sources"):
        (tmp_path / name).mkdir()
    for path, text in YAML.items():
        (tmp_path / Path(path).relative_to("include")).write_text(text)
    section = yaml.safe_load(YAML["include/sources/crowns.yaml"])["validate_annotations"]
    return resolve(section, "crowns", tmp_path)


def test_the_suite_of_the_document_is_taken_as_it_says(in_use):
    assert in_use.suites == ("detector@1", "crowns@2")
    rules = {rule.name: rule for rule in in_use.rules}
    assert (rules["box_min_side"].action, rules["box_min_side"].parameters["min_side_px"]) == ("reject", 4)
    assert (rules["no_duplicate_box"].action, rules["no_duplicate_box"].parameters["max_duplicate_iou"]) == ("repair", 0.95)
    assert "box_max_aspect_ratio" not in rules
    assert rules["site_known"].on == "images"
    assert (0.02, "stop") in [(gate.max_share, gate.action) for gate in in_use.gates]


def test_every_action_has_its_row():
    assert re.findall(r"^\| `(\w+)` \|", DOC, re.MULTILINE) == list(get_args(Action))


def test_every_option_of_rejections_exists():
    told = CliRunner().invoke(app, ["labels", "rejections", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for option in set(re.findall(r"--[a-z]+", DOC)):
        assert option in told


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", DOC):
        assert (ROOT / "docs" / target).exists(), target
