"""A real S3 server (SeaweedFS) on free loopback ports, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

WEED = Path(os.environ.get("VISIONLOOP_VENVS") or Path(__file__).resolve().parents[1] / ".venv") / "cli" / "bin" / "weed"
BUCKET = "visionloop"
READY_WITHIN_S = 120
PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
         "filer.port.grpc")  # fmt: skip


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """Yields the variables by which clients find it; its bucket is there. Ended, by its own process group, afterwards."""
    data, config = folder / "data", folder / "s3.json"
    data.mkdir(parents=True, exist_ok=True)
    credentials = [{"accessKey": "K", "secretKey": "S"}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    reader = {"name": "reader", "credentials": [{"accessKey": "R", "secretKey": "S"}], "actions": ["Read", "List"]}
    config.write_text(json.dumps({"identities": [{"name": "admin", "credentials": credentials, "actions": actions}, reader]}))
    probes = [socket.socket() for _ in PORTS]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    flags: dict[str, object] = {name: probe.getsockname()[1] for name, probe in zip(PORTS, probes, strict=True)}
    for probe in probes:
        probe.close()
    endpoint = f"http://127.0.0.1:{flags['s3.port']}"
    flags |= {"dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "bucket": BUCKET, "s3.config": config, "webdav": "false"}
    flags |= {"s3.port.iceberg": 0, "s3.port.lance": 0, "admin.ui": "false", "master.telemetry": "false"}
    command = [str(WEED), "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in flags.items())]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(endpoint, server, folder / "log")
        yield {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", "AWS_REGION": "us-east-1"}
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it has nothing to save; by itself it may take half a minute on a busy machine
        server.wait()


def _wait(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the bucket takes an object: it is made some time after the server answers."""
    backend = S3Store(
        BUCKET, endpoint=endpoint, access_key_id="K", secret_access_key="S", region="us-east-1",
        client_options={"allow_http": True}, retry_config={"max_retries": 0},
    )  # fmt: skip
    for _ in range(READY_WITHIN_S * 10):
        try:
            obstore.put(backend, "ready", b"")
            obstore.delete(backend, "ready")
            return
        except BaseError:
            time.sleep(0.1)
        if server.poll() is not None:
            break
    raise RuntimeError(f"the S3 server is not ready:\n{log.read_text()[-3000:]}")
