"""The embedded stack's home: a folder with its data, ports, passwords and logs. Everything else can be made again.

$VISIONLOOP_HOME, or .visionloop/ beside dags/. Its stack.json is written once; ports move when they are taken.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What people type into a browser or a client; the rest take any free port.
PREFERRED_PORTS = {"airflow": 8080, "mlflow": 5000, "s3": 8333}
# Users of the embedded stack, and their grade in Airflow's simple login: docs/roles.md
GRADES = {"admin": "admin", "operator": "user", "viewer": "viewer"}
INNER_PORTS = ("monitoring", "statsd", "s3_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc")


class StackError(Exception):
    """The stack cannot do what was asked; the message says what to do."""


@dataclass
class Stack:
    """What stack.json holds: made on the first start, kept for all later ones."""

    ports: dict[str, int] = field(default_factory=dict)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))  # the admin's
    others: dict[str, str] = field(default_factory=lambda: {name: secrets.token_urlsafe(9) for name in GRADES if name != "admin"})
    s3_access_key: str = "visionloop"
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    fernet_key: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"


class Home:
    """The folder, and the addresses within it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(os.environ.get("VISIONLOOP_HOME") or ROOT / ".visionloop")).resolve()
        self.venvs = Path(os.environ.get("VISIONLOOP_VENVS") or ROOT / ".venv").resolve()
        self.logs = self.path / "logs"
        self.airflow = self.path / "airflow"

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    def stack(self) -> Stack:
        """Raises StackError before the first start."""
        try:
            return Stack(**json.loads(self.stack_file.read_text()))
        except FileNotFoundError:
            raise StackError(f"no stack in {self.path} yet: run `./visionloop up` or `make demo`") from None

    def save(self, stack: Stack) -> None:
        for folder in (self.path, self.logs, self.airflow):
            folder.mkdir(parents=True, exist_ok=True)
        aside = self.stack_file.with_suffix(".tmp")
        aside.touch(mode=0o600)
        aside.write_text(json.dumps(asdict(stack), indent=1))
        aside.replace(self.stack_file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time may start or stop the stack."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StackError(
                    f"another visionloop command (process {file.read().strip()}) is starting or stopping {self.path}"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def choose_ports(stack: Stack) -> list[str]:
    """Fill in ports that are free now; returns a line for each public port that had to move."""
    notes = []
    spare = free_ports(len(PREFERRED_PORTS) + len(INNER_PORTS))
    for name in (*PREFERRED_PORTS, *INNER_PORTS):
        wanted = stack.ports.get(name) or PREFERRED_PORTS.get(name)
        if wanted is None or not is_free(wanted):
            stack.ports[name] = spare.pop()
            if wanted is not None and name in PREFERRED_PORTS:
                notes.append(f"port {wanted} is taken: {name} moves to {stack.ports[name]}")
        else:
            stack.ports[name] = wanted
    return notes


def client_environment(home: Home, stack: Stack) -> dict[str, str]:
    """What a step, or a person's command, needs to reach the embedded stack. Addresses and secrets, nothing else."""
    return {
        "VISIONLOOP_HOME": str(home.path),
        "VISIONLOOP_VENVS": str(home.venvs),
        "VISIONLOOP_STORE": os.environ.get("VISIONLOOP_STORE", "s3://visionloop"),
        "AWS_ENDPOINT_URL": stack.url("s3"),
        "AWS_ACCESS_KEY_ID": stack.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": stack.s3_secret_key,
        "AWS_REGION": "us-east-1",
        "MLFLOW_TRACKING_URI": stack.url("mlflow"),
    }


def connect() -> None:
    """Point this process at the embedded stack, unless the caller's environment already points elsewhere."""
    home = Home()
    if "VISIONLOOP_STORE" not in os.environ:
        os.environ.update(client_environment(home, home.stack()))


def say(line: str = "") -> None:
    """A line for the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
