import os
import subprocess
import sys

import pytest

from cli.doctor import packages, room
from cli.home import Home, Stack, choose_ports
from tests.cli.doctor.conftest import states


@pytest.fixture
def embedded(tmp_path, place):
    """A home that was started once and is not running."""
    home, stack = Home(tmp_path), Stack()
    choose_ports(stack)
    home.save(stack)
    return place(), stack


def test_a_small_disk_fails(tmp_path, place):
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        assert states(room.disk(place())) == {"disk": "fail"}
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(("gb", "state"), [(0.0, "ok"), (10**6, "warn")], ids=["enough", "never enough"])
def test_free_memory_is_measured(place, monkeypatch, gb, state):
    monkeypatch.setattr(room, "FREE_MEMORY_WARN_GB", gb)
    assert states(room.memory(place())) == {"memory": state}


def test_a_port_that_another_program_holds_is_named(embedded):
    import socket

    here, stack = embedded
    assert states(room.ports(here)) == {"ports": "ok"}
    with socket.socket() as other:
        other.bind(("127.0.0.1", stack.ports["mlflow"]))
        other.listen()
        (found,) = room.ports(here)
    assert found.state == "warn"
    assert f"{stack.ports['mlflow']} (mlflow)" in found.found


def test_a_command_that_holds_the_lock_is_named(embedded, tmp_path):
    here, _ = embedded
    assert states(room.leftovers(here)) == {"lock": "ok"}
    code = (
        "import sys, pathlib; from cli.home import Home\n"
        "with Home(pathlib.Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        (found,) = room.leftovers(here)
    finally:
        holder.communicate()
    assert (found.state, str(holder.pid) in found.found) == ("warn", True)
    assert states(room.leftovers(here)) == {"lock": "ok"}, "the file stays, and locks nobody out"


def test_packages_that_are_not_as_locked_are_named(tmp_path):
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, version in (("torch", "2.13.0+cpu"), ("Some_Thing", "1.0"), ("pytest", "8")):
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    have = packages.installed(tmp_path)
    assert packages.differences("torch", have, {"torch": "2.13.0", "some-thing": "1.0"}, "").state == "ok"
    found = packages.differences("torch", have, {"torch": "2.14.0", "gone": "1"}, "mend it")
    assert found.found == "2 are not as locked: torch 2.13.0+cpu (locked: 2.14.0), gone not there (locked: 1)"
