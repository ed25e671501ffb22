"""A docker client that says what an engine would; and no engine at all, for real."""

import json
import shutil

import pytest

from cli.doctor import engine
from tests.cli.doctor.conftest import states

DOCKER = {"VISIONLOOP_RUNTIME": "docker"}


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A client whose engine has an API version, runtimes and images; `ids`: tag → id."""

    def install(api="1.41", runtimes=("runc",), ids=None):
        version = {"Server": {"Version": "20.10", "ApiVersion": api}}
        info = {"Runtimes": {name: {} for name in runtimes}, "DockerRootDir": str(tmp_path)}
        tags = "\n".join(f"{tag} {one}" for tag, one in (ids or {}).items())
        inspect = "\n".join(f"    {one}) echo '[\"{tag}\"]' ;;" for tag, one in (ids or {}).items())
        client = tmp_path / "bin" / "docker"
        client.parent.mkdir()
        client.write_text(
            f"#!/bin/sh\ncase $1 in\n  version) echo '{json.dumps(version)}' ;;\n  info) echo '{json.dumps(info)}' ;;\n"
            f"  image) if [ $2 = ls ]; then echo '{tags}'; else case $5 in\n{inspect}\n"
            '    *) echo "No such image" >&2; exit 1 ;; esac; fi ;;\nesac\n'
        )
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")
        monkeypatch.delenv("DOCKER_HOST", raising=False)

    return install


def built(tmp_path, **ids):
    (tmp_path / "images.json").write_text(json.dumps(ids))


def test_an_engine_with_the_images_and_no_wish_for_a_gpu_is_well(docker, place, tmp_path):
    docker(ids={"visionloop/data:old": "sha256:d", "visionloop/torch:old": "sha256:t"})
    built(tmp_path, data="sha256:d", torch="sha256:t")
    found = states(engine.check(place(DOCKER | {"VISIONLOOP_GPUS": "0"})))
    assert found == {"engine": "ok", "image data": "ok", "image torch": "ok", "images' commit": "warn", "GPU": "ok"}


def test_an_old_engine_is_refused(docker, place, tmp_path):
    docker(api="1.39")
    assert states(engine.check(place(DOCKER)))["engine"] == "fail"


def test_images_that_are_gone_or_were_never_built_are_named(docker, place, tmp_path):
    docker(ids={"visionloop/data:old": "sha256:d"})
    assert "images" in states(engine.check(place(DOCKER)))
    built(tmp_path, data="sha256:gone")
    found = states(engine.check(place(DOCKER)))
    assert (found["image data"], found["image torch"]) == ("fail", "fail")


@pytest.mark.parametrize(
    ("runtimes", "gpus", "state"),
    [(("runc",), "", "fail"), (("runc",), "0", "ok"), (("runc", "nvidia"), "", "ok")],
    ids=["wanted, not there", "not wanted", "there"],
)
def test_a_gpu_that_is_wanted_is_looked_for(docker, place, tmp_path, runtimes, gpus, state):
    docker(runtimes=runtimes)
    assert states(engine.check(place(DOCKER | {"VISIONLOOP_GPUS": gpus})))["GPU"] == state


@pytest.mark.parametrize(
    ("listed", "gpus", "state"),
    [("", "", "warn"), ("GPU 0: NVIDIA H200 (UUID: …)", "", "ok"), ("", "0", "ok")],
    ids=["none", "one", "not wanted"],
)
def test_of_processes_the_machine_has_the_gpu(place, tmp_path, listed, gpus, state):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{listed}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    found = states(engine.check(place({"VISIONLOOP_GPUS": gpus, "PATH": str(tmp_path)})))
    assert found == {"engine": "ok", "GPU": state}


def test_the_steps_that_want_a_gpu_are_those_whose_plate_says_so():
    assert "train_detector" in engine.wanted_gpus()
    assert "build_dataset" not in engine.wanted_gpus()


@pytest.mark.integration
def test_an_engine_that_is_off_is_one_failure(place, tmp_path, monkeypatch):
    if shutil.which("docker") is None:
        pytest.skip("no docker client")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    (found,) = engine.check(place(DOCKER))
    assert (found.check, found.state) == ("engine", "fail")
    assert "systemctl start docker" in found.remedy
