import pytest

from cli.containers import end_containers
from cli.home import Home, StackError

CLIENT = """#!/bin/sh
echo "$DOCKER_HOST $*" >>"{called}"
{does}
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.path.mkdir()
    (home.path / "images.json").write_text("{}")
    return home


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A client that notes how it was called, and does what a test says."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("VISIONLOOP_RUNTIME", raising=False)
    called = tmp_path / "called"
    called.touch()

    def install(does):
        client = tmp_path / "bin" / "docker"
        client.parent.mkdir(exist_ok=True)
        client.write_text(CLIENT.format(called=called, does=does))
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")
        return called

    return install


def test_containers_of_this_home_are_removed_and_counted(home, docker):
    called = docker('[ "$1" = rm ] || printf "abc\\ndef\\n"')
    assert end_containers(home) == 2
    engine = "unix:///var/run/docker.sock"
    assert called.read_text().splitlines() == [
        f"{engine} ps --all --quiet --no-trunc --filter label=visionloop.home={home.path}",
        f"{engine} rm --force --volumes abc def",
    ]


def test_a_container_that_just_went_away_is_no_failure(home, docker):
    docker('[ "$1" = rm ] || { echo abc; exit; }; echo "Error: No such container: abc" >&2; exit 1')
    assert end_containers(home) == 1


def test_without_images_nobody_is_asked(home, docker):
    (home.path / "images.json").unlink()
    called = docker("exit 1")
    assert end_containers(home) == 0
    assert called.read_text() == ""


def test_an_engine_that_is_not_there_matters_only_where_steps_run_in_containers(home, docker, monkeypatch):
    docker('echo "Cannot connect to the Docker daemon" >&2; exit 1')
    assert end_containers(home) == 0
    monkeypatch.setenv("VISIONLOOP_RUNTIME", "docker")
    with pytest.raises(StackError, match="may be left: docker ps says Cannot connect"):
        end_containers(home)


def test_a_missing_client_is_said(home, monkeypatch, tmp_path):
    monkeypatch.setenv("VISIONLOOP_RUNTIME", "docker")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="no docker client"):
        end_containers(home)
