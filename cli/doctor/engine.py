"""The engine that runs steps in containers: does it answer, has it the images of this commit, and a GPU where one is wanted?"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from cli.doctor.finding import Finding, fail, ok, warn
from cli.home import ROOT, StackError
from cli.place import Place
from cli.team import machine

API_MIN = (1, 41)  # of Docker 20.10
STEP_IMAGES = ("data", "torch")
TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit"


def check(place: Place) -> list[Finding]:
    """Where steps run in containers."""
    if place.runtime != "docker":
        return [ok("engine", "not needed: steps run as processes"), *_gpu_of_machine(place)]
    try:
        version = json.loads(machine.docker("version", "--format", "{{json .}}"))
        info = json.loads(machine.docker("info", "--format", "{{json .}}"))
        server = version["Server"]
    except (StackError, ValueError, KeyError, TypeError) as error:
        return [fail("engine", str(error), "start it (`sudo systemctl start docker`), or set DOCKER_HOST")]
    return [_api(server), *_images(place), *_gpu_of_engine(place, info)]


def _api(server: dict[str, Any]) -> Finding:
    found = f"Docker {server['Version']}, API {server['ApiVersion']}"
    if tuple(map(int, server["ApiVersion"].split("."))) < API_MIN:
        return fail("engine", f"{found} is too old", f"install Docker 20.10 (API {'.'.join(map(str, API_MIN))}) or newer")
    return ok("engine", found)


def _images(place: Place) -> list[Finding]:
    """Those that steps run, by their ids; and whether they are of this commit."""
    build = "`make up` builds them" if place.is_team else "`make images` builds them"
    try:
        if place.is_team:
            known = json.loads(place.in_airflow("-c", "print(open('/opt/visionloop/images.json').read())"))
        else:
            known = json.loads((place.folder / "images.json").read_text())
    except (StackError, OSError, ValueError) as error:
        return [fail("images", f"which images steps run is not known: {error}", build)]
    found = [_image(name, known.get(name), build) for name in STEP_IMAGES]
    return found if any(one.state == "fail" for one in found) else [*found, *_commit(place, build)]


def _image(name: str, image: str | None, build: str) -> Finding:
    if image is None:
        return fail(f"image {name}", "was never built", build)
    try:
        tags = json.loads(machine.docker("image", "inspect", "--format", "{{json .RepoTags}}", image))
    except (StackError, ValueError):
        return fail(f"image {name}", f"the engine does not have {image[:19]}", build)
    return ok(f"image {name}", f"{image[:19]} ({', '.join(tags) or 'no tag'})")


def _commit(place: Place, build: str) -> list[Finding]:
    """Whether the code in the step images is this checkout's: by the tags that images/build.py would give now."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return []
    tagged = machine.docker("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    ours = [line.split()[0] for line in tagged if line.startswith("visionloop/") and f":{asked}" in line]
    if {f"visionloop/{name}" for name in STEP_IMAGES} <= {one.partition(":")[0] for one in ours}:
        return [ok("images' commit", f"there are images of {asked}")]
    return [warn("images' commit", f"no images of this checkout's commit {asked}: steps run older code", f"{build} of it")]


def wanted_gpus(root: Path = ROOT) -> dict[str, int]:
    """Step → how many its step.toml asks for."""
    plates = {path.parent.name: tomllib.loads(path.read_text()) for path in sorted(root.glob("tasks/*/step.toml"))}
    return {name: plate["gpus"] for name, plate in plates.items() if plate.get("gpus")}


def _wanted(place: Place) -> dict[str, int]:
    return {} if place.settings.get("VISIONLOOP_GPUS") == "0" else wanted_gpus()


def _gpu_of_engine(place: Place, info: dict[str, Any]) -> list[Finding]:
    wanted = _wanted(place)
    if not wanted:
        return [ok("GPU", "none is wanted")]
    if "nvidia" not in (info.get("Runtimes") or {}):
        found = f"wanted by {', '.join(wanted)}, and the engine has no NVIDIA runtime"
        return [fail("GPU", found, f"install the NVIDIA container toolkit ({TOOLKIT}), or set VISIONLOOP_GPUS=0 to run on CPU")]
    return [ok("GPU", f"the engine has NVIDIA's runtime, for {', '.join(wanted)}")]


def _gpu_of_machine(place: Place) -> list[Finding]:
    wanted = _wanted(place)
    if not wanted:
        return [ok("GPU", "none is wanted")]
    program = shutil.which("nvidia-smi", path=place.settings.get("PATH"))
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout if program else ""
    if count := listed.count("GPU "):
        return [ok("GPU", f"{count} on this machine, for {', '.join(wanted)}")]
    remedy = "none needed for small detectors; VISIONLOOP_GPUS=0 says that it is meant so"
    return [warn("GPU", f"wanted by {', '.join(wanted)}, and this machine shows none: they run on CPU", remedy)]
