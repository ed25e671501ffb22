import json
import os
import socket
import subprocess
import sys

import pytest

from cli.home import Home, Stack, StackError, choose_ports, is_free


def test_a_taken_port_moves_and_says_so(monkeypatch):
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        monkeypatch.setattr("cli.home.PREFERRED_PORTS", {"airflow": taken})
        stack = Stack()
        notes = choose_ports(stack)
    assert stack.ports["airflow"] != taken
    assert notes == [f"port {taken} is taken: airflow moves to {stack.ports['airflow']}"]


def test_a_restart_keeps_its_ports_while_they_are_free():
    stack = Stack()
    choose_ports(stack)
    before = dict(stack.ports)
    assert choose_ports(stack) == []
    assert stack.ports == before
    assert len(set(before.values())) == len(before)
    assert all(is_free(port) for port in before.values())


def test_secrets_survive_a_restart_and_are_for_the_owner_alone(tmp_path):
    home = Home(tmp_path / "home")
    stack = Stack(ports={"airflow": 1})
    home.save(stack)
    assert home.stack() == stack
    assert home.stack_file.stat().st_mode & 0o077 == 0
    assert json.loads(home.stack_file.read_text())["password"] == stack.password


def test_before_the_first_start_it_says_what_to_do(tmp_path):
    with pytest.raises(StackError, match="visionloop up"):
        Home(tmp_path).stack()


def test_two_commands_at_once_are_refused(tmp_path):
    home = Home(tmp_path)
    other = f"from pathlib import Path; from cli.home import Home\nwith Home(Path({str(tmp_path)!r})).locked(): pass"
    with home.locked():
        done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"another visionloop command (process {os.getpid()})" in done.stderr
    with home.locked():  # and it can be had again afterwards
        pass
