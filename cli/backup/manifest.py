"""manifest.json, written last: what a backup holds, of which versions, and the checksum of each of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from cli.home import StackError

FORMAT = 1
NAME = "manifest.json"
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Manifest:
    """`kind`: sqlite or postgres; `key`: fingerprint of the one that connections are encrypted with; `objects`: how many."""

    made_at: str
    kind: str
    stack: str
    commit: str
    versions: Mapping[str, str]
    key: str
    with_content: bool
    objects: int
    sha256: Mapping[str, str]
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def fingerprint(secret: str) -> str:
    """Tells two secrets apart, and neither of them to anybody."""
    return hashlib.sha256(b"visionloop:" + secret.encode()).hexdigest()[:12] if secret else ""


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read(folder: Path, here: Mapping[str, str]) -> Manifest:
    """Of a backup that is whole, and not of a later version than what is `here`. Raises StackError that says why not."""
    try:
        said = json.loads((folder / NAME).read_text())
    except FileNotFoundError:
        raise StackError(f"{folder} is no backup: it has no {NAME} (a backup that was cut short has none, either)") from None
    except ValueError:
        raise StackError(f"{folder} is damaged: {NAME} is not readable; take another backup") from None
    if said.get("format", FORMAT + 1) > FORMAT:
        raise StackError(f"{folder} was made by a later version of Visionloop: restore it with commit {said.get('commit')}")
    try:
        found = Manifest(**said)
    except TypeError as error:
        raise StackError(f"{folder} is damaged: {NAME}: {error}; take another backup") from None
    later = [f"{name} {version}" for name, version in found.versions.items() if Version(version) > Version(here[name])]
    if later:
        raise StackError(
            f"{folder} was made with {', '.join(later)}, which is later than here: restore it with commit {found.commit}"
        )
    damaged = [
        name for name, digest in found.sha256.items() if not (folder / name).exists() or sha256_of(folder / name) != digest
    ]
    if damaged:
        raise StackError(
            f"{folder} is damaged: {', '.join(damaged)} is not what was written; nothing was done. Take another backup"
        )
    return found
