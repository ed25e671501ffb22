"""A real S3 server for tests and benchmarks: SeaweedFS, as the embedded stack runs it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

WEED = Path(sys.prefix).parent / "cli" / "bin" / "weed"
READY_WITHIN_S = 60
PORTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class S3Server:
    """Its bucket is `tests`; `environment` is what a client needs."""

    environment: dict[str, str]
    folder: Path


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Ends the server afterwards. Skips where it is not installed."""
    if not WEED.exists():
        pytest.skip("no SeaweedFS: python3 images/install.py cli")
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2 * len(PORTS))]
    numbers = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    ports = dict(zip([f"{name}.port{grpc}" for name in PORTS for grpc in ("", ".grpc")], numbers, strict=True))
    identity = {"name": "t", "credentials": [{"accessKey": "test", "secretKey": "test-secret"}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    flags = {
        "dir": folder / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "bucket": "tests", "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0, "s3.port.lance": 0, "webdav": "false", "admin.ui": "false", "master.telemetry": "false", **ports,
    }  # fmt: skip
    command = [str(WEED), "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in flags.items())]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(ports["s3.port"], server, folder / "log")
        yield S3Server(
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}", "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1",
            },
            folder / "data",
        )  # fmt: skip
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the bucket takes an object."""
    import obstore
    from obstore.store import S3Store

    bucket = S3Store(
        "tests", endpoint=f"http://127.0.0.1:{port}", access_key_id="test", secret_access_key="test-secret", region="us-east-1",
        client_options={"allow_http": True}, retry_config={"max_retries": 0},
    )  # fmt: skip
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            obstore.put(bucket, "ready", b"yes")
        except Exception:  # refused, no such bucket yet, no volume yet
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the S3 server was not ready within {READY_WITHIN_S} s:\n{log.read_text()[-3000:]}")
