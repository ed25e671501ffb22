""".env beside docker-compose.yaml: the stack's secrets and settings. Made once; later what is missing is added."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.home import ROOT, StackError


def _key() -> str:
    return secrets.token_urlsafe(24)


HEAD = "# Secrets and settings of this stack: keep it, and a copy elsewhere. What may stand here: docs/compose.md\n"
DEFAULTS: Mapping[str, Callable[[], str]] = {
    "COMPOSE_PROJECT_NAME": lambda: "visionloop",
    "COMPOSE_PROFILES": lambda: "minio",
    "VISIONLOOP_PASSWORD": lambda: secrets.token_urlsafe(9),
    "VISIONLOOP_POSTGRES_PASSWORD": _key,
    "VISIONLOOP_REDIS_PASSWORD": _key,
    "AWS_ACCESS_KEY_ID": lambda: "visionloop",
    "AWS_SECRET_ACCESS_KEY": _key,
    "AIRFLOW__CORE__FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "AIRFLOW__API_AUTH__JWT_SECRET": lambda: secrets.token_urlsafe(64),
    "AIRFLOW__API__BASE_URL": lambda: "http://127.0.0.1:8080",
    "VISIONLOOP_MLFLOW_UI": lambda: "http://127.0.0.1:5000",
}


def path() -> Path:
    """$VISIONLOOP_ENV_FILE, or .env of this checkout."""
    return Path(os.environ.get("VISIONLOOP_ENV_FILE") or ROOT / ".env").resolve()


def read(file: Path) -> dict[str, str]:
    """Its settings. Raises StackError before the first start."""
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        raise StackError(f"{file} does not exist: run `make up`, which makes it") from None
    pairs = (line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def complete(file: Path) -> dict[str, str]:
    """Make it, or add what is missing; what stands in it stays. Returns its settings."""
    text = file.read_text() if file.exists() else HEAD
    known = read(file) if file.exists() else {}
    missing = {name: make() for name, make in DEFAULTS.items() if name not in known}
    if missing:
        lines = "".join(f"{name}={value}\n" for name, value in missing.items())
        _replace(file, text + ("" if text.endswith("\n") else "\n") + lines)
    return known | missing


def put(file: Path, settings: Mapping[str, str]) -> None:
    """Change these lines of it, and no others: which images run."""
    kept = [line for line in file.read_text().splitlines() if line.partition("=")[0].strip() not in settings]
    text = "\n".join([*kept, *(f"{name}={value}" for name, value in settings.items())]) + "\n"
    if text != file.read_text():
        _replace(file, text)


def _replace(file: Path, text: str) -> None:
    """All or nothing, and never readable for others, not even for a moment."""
    aside = file.with_name(file.name + ".tmp")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    aside.replace(file)
