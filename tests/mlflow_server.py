"""A real MLflow server for tests, from the environment that `make demo` uses too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

MLFLOW = Path(sys.prefix).parent / "mlflow" / "bin" / "mlflow"
READY_WITHIN_S = 240


def start_mlflow(folder: Path) -> Iterator[str]:
    """Yields the server's address; ends the server and its workers afterwards. Skips where the environment is not installed."""
    if not MLFLOW.exists():
        pytest.skip("no mlflow environment: python3 images/install.py mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(MLFLOW), "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1",
               "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it has nothing to save; by itself it may take half a minute on a busy machine
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(READY_WITHIN_S * 2):
        if server.poll() is not None:
            pytest.fail(f"the MLflow server ended:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the MLflow server was not ready within {READY_WITHIN_S} s")
