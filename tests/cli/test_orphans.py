"""What a killed service leaves behind, under a real supervisord."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cli import services
from cli import stack as stacks
from cli.home import Home, Stack, choose_ports

# A worker in a process group of its own, as Airflow starts its tasks, and a step in a session of its own.
SERVICE = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
worker = subprocess.Popen(sleep, process_group=0)
step = subprocess.Popen(sleep, start_new_session=True)
with open(sys.argv[1], "a") as out:
    print(os.getpid(), worker.pid, step.pid, file=out, flush=True)
time.sleep(300)
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.logs.mkdir(parents=True)
    stack = Stack()
    choose_ports(stack)
    home.save(stack)
    yield home
    stacks.down(home)


def until(check):
    deadline = time.monotonic() + 120
    while not (answer := check()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def test_a_killed_service_takes_its_workers_with_it_and_leaves_its_steps(home, tmp_path, monkeypatch):
    (tmp_path / "service.py").write_text(SERVICE)
    pids = tmp_path / "pids"
    service = services.Service("scheduler", (sys.executable, str(tmp_path / "service.py"), str(pids)))
    monkeypatch.setattr(services, "all_services", lambda home, stack: [service])
    config = services.supervisor_config(home, home.stack())
    subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", str(config)], check=True)

    def started():
        return [[int(pid) for pid in line.split()] for line in pids.read_text().splitlines()] if pids.exists() else []

    ((main, worker, step),) = until(started)
    time.sleep(1.5)  # supervisord calls a service running after a second
    os.kill(main, signal.SIGKILL)
    _, (again, next_worker, _) = until(lambda: len(found := started()) == 2 and found)
    until(lambda: not psutil.pid_exists(worker))
    assert [psutil.pid_exists(pid) for pid in (step, again, next_worker)] == [True, True, True]
    stacks.down(home)
    assert [pid for pid in (step, again, next_worker) if psutil.pid_exists(pid)] == []
