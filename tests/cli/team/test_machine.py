import os
import shutil
import socket
from collections import namedtuple

import pytest

from cli.home import StackError
from cli.team import machine

Usage = namedtuple("Usage", "total used free")


def fake_docker(folder, monkeypatch, script):
    """A docker client on the path that does what a shell script says."""
    client = folder / "docker"
    client.write_text(f"#!/bin/sh\n{script}\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        ("echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1", "start it"),
        ("echo 'Got permission denied while trying to connect to the Docker daemon socket' >&2; exit 1", "the group docker"),
        ("""echo '{"ServerErrors": ["Cannot connect to the Docker daemon"]}'""", "start it"),
        ("""echo '{"MemTotal": 4100000000, "DockerRootDir": "/nowhere"}'""", "has 4.1 GB of memory, the stack needs 4.5"),
    ],
    ids=["no engine", "not allowed", "no engine, newer client", "four gigabytes"],
)
def test_each_lack_is_one_line_with_its_remedy(tmp_path, monkeypatch, script, remedy):
    fake_docker(tmp_path, monkeypatch, script)
    with pytest.raises(StackError) as said:
        machine.check_engine()
    assert remedy in str(said.value)
    assert "\n" not in str(said.value)


def test_without_docker_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="install Docker Engine"):
        machine.check_engine()


def test_a_full_disk_is_noticed_before_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * machine.GB, 99 * machine.GB, 1 * machine.GB))
    with pytest.raises(StackError, match=r"only 1.0 GB of disk are free at .*, the stack needs 5: make room"):
        machine.check_disk(tmp_path)
    machine.check_disk(tmp_path / "of-another-machine")


def test_a_port_in_use_names_the_service_and_its_setting():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        free = {name: "0" for name, _, _ in machine.PORTS.values()}
        with pytest.raises(StackError, match=f"port {port}, which MLflow is to listen on, .* set VISIONLOOP_PORT_MLFLOW in .env"):
            machine.check_ports(free | {"VISIONLOOP_PORT_MLFLOW": port}, "")
        machine.check_ports(free | {"VISIONLOOP_PORT_MLFLOW": port}, f"127.0.0.1:{port}->5000/tcp")  # its own
        machine.check_ports(free | {"VISIONLOOP_PORT_LABEL_STUDIO": port, "COMPOSE_PROFILES": "minio"}, "")  # does not run
