import os
import subprocess
import sys

import psutil
import pytest

from cli import stack as stacks
from cli.home import Home, Stack, choose_ports
from cli.services import MARK, all_services, supervisor_config


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    stack = Stack()
    choose_ports(stack)
    home.save(stack)
    return home


def test_a_stale_pid_file_is_not_a_running_supervisor(home):
    (home.path / "supervisord.pid").write_text(str(os.getpid()))
    assert stacks.supervisor(home) is None


def test_sweep_ends_what_ignores_sigterm_and_nothing_else(home):
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    marked = os.environ | {MARK: str(home.path)}
    with (
        subprocess.Popen([sys.executable, "-c", stubborn], env=marked, stdout=subprocess.PIPE, start_new_session=True) as ours,
        subprocess.Popen([sys.executable, "-c", stubborn], env=os.environ | {MARK: "/another"}, stdout=subprocess.PIPE) as theirs,
    ):
        assert ours.stdout.readline() == theirs.stdout.readline() == b"up\n"
        swept, ours_lives, theirs_lives = stacks.sweep(home, patience_s=0.5), psutil.pid_exists(ours.pid), theirs.poll() is None
        for process in (ours, theirs):
            process.kill()
    assert (swept, ours_lives, theirs_lives) == (1, False, True)


def test_no_service_listens_beyond_loopback_and_no_secret_is_readable_by_others(home):
    stack = home.stack()
    config = supervisor_config(home, stack)
    text = config.read_text()
    assert "0.0.0.0" not in text
    assert {service.name for service in all_services(home, stack)} == {
        "s3", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "monitoring",
    }  # fmt: skip
    secrets = (stack.password, stack.s3_secret_key, stack.jwt_secret, stack.fernet_key)
    for path in home.path.rglob("*"):
        if path.is_file() and any(secret in path.read_text() for secret in secrets):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_percent_sign_survives_the_supervisors_syntax(home, monkeypatch):
    stack = home.stack()
    stack.s3_secret_key = 'a%b"c'
    assert 'a%%b\\"c' in supervisor_config(home, stack).read_text()
