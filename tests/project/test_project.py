"""The project keeps its own promises: every step is whole, every document agrees with the code."""

import re
import subprocess
from pathlib import Path

import pytest

from include.artifacts import KINDS
from include.step.plate import read_plate

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
STEPS = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/step.toml"))


def tracked(*patterns):
    """Files that are the project's; in a folder without git, none."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", *patterns], capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_whole(step):
    plate, folder = read_plate(step), ROOT / "tasks" / step
    assert all((folder / name).exists() for name in ("__init__.py", "__main__.py", "config.py"))
    assert list((ROOT / "tests" / "tasks" / step).glob("test_*.py"))
    assert (ROOT / "images" / plate.image / "Dockerfile").exists()
    assert plate.output in KINDS
    assert {kind.removesuffix("[]") for kind in plate.inputs.values()} <= KINDS.keys()
    (row,) = re.findall(rf"^\| `{step}` \|(.*)\|$", README, re.MULTILINE)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[1] == plate.output
    assert cells[2] == plate.image


def test_the_readme_is_short_and_its_commands_exist():
    assert len(README.splitlines()) <= 150
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)\b", README.replace("make it", ""))) <= targets
    listed = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "up", "down", "images", "lint"):
        assert f"make {target}" in listed
    told = subprocess.run([str(ROOT / "visionloop"), "--help"], capture_output=True, text=True, check=True).stdout
    for command in set(re.findall(r"\./visionloop ([a-z]+)", README)):
        assert command in told


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_setting_is_documented():
    settings = (ROOT / "docs" / "settings.md").read_text()
    code = "\n".join(path.read_text() for path in tracked("plugins/*.py", "include/*.py", "cli/*.py", "images/*.py"))
    inner = {"VISIONLOOP_STACK"}  # the mark of the embedded stack's processes
    assert {name for name in re.findall(r"VISIONLOOP_[A-Z_]*[A-Z]\b", code)} - inner <= set(
        re.findall(r"VISIONLOOP_[A-Z_]+", settings)
    )


def test_on_call_finds_each_step_in_the_runbook():
    runbook = (ROOT / "docs" / "on-call.md").read_text()
    assert set(STEPS) <= set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))


def test_rooms_stay_easy_to_live_in():
    for path in tracked("plugins/*.py", "include/*.py", "tasks/*.py", "cli/*.py", "images/*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 200, path
        assert path.stem not in ("utils", "helpers", "common", "misc"), path
    for path in tracked("images/*/Dockerfile"):
        assert len(path.read_text().splitlines()) <= 25, path
