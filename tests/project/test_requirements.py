"""What is asked for, what is pinned and what is locked are the same."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGES = sorted(path.parent.name for path in ROOT.glob("images/*/requirements.in"))
PIN = re.compile(r"^([a-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def asked_for(image):
    lines = (line.partition("#")[0].strip() for line in (ROOT / "images" / image / "requirements.in").read_text().splitlines())
    return {line for line in lines if line}


def versions(path):
    """Package → its versions; more than one where Python's version decides."""
    found = {}
    for name, version in PIN.findall(path.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def test_requirements_pin_every_direct_dependency_and_nothing_else():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not PIN.match(line)] == []
    names = [line.partition("=")[0] for line in lines]
    assert names == sorted(names)
    assert versions(ROOT / "requirements.txt").keys() == set().union(*map(asked_for, IMAGES))


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_holds_the_pinned_versions(image):
    pinned, locked = versions(ROOT / "requirements.txt"), versions(ROOT / "images" / image / "requirements.lock")
    direct = asked_for(image) - {"torch"}  # which build of it is installed is the machine's choice
    assert {name: locked.get(name) for name in direct} == {name: pinned[name] for name in direct}


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_brings_no_gpu_libraries_and_hashes_everything(image):
    text = (ROOT / "images" / image / "requirements.lock").read_text()
    gpu = re.compile(r"torch|torchvision|triton|cuda-.*|nvidia-(cu|nccl|nvjit|nvsh|nvtx).*")
    assert [name for name, _ in PIN.findall(text) if gpu.fullmatch(name)] == []
    packages = re.split(r"\n(?=\S)", text.strip())
    assert [package for package in packages if "--hash=sha256:" not in package] == []


def test_the_images_are_made_with_the_pinned_installer():
    texts = [(ROOT / "images" / name).read_text() for name in ("packages.sh", "install.py")]
    (pinned,) = versions(ROOT / "requirements.txt")["uv"]
    assert {version for text in texts for version in re.findall(r"\buv==([\d.]+)", text)} == {pinned}
