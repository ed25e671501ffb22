"""What lies where inside a bundle's archive, and how it is opened: written by pack_model, read by the steps after it.

The archive is BentoML's: its own files at the top, ours below `src/`, which becomes the service's working folder.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.artifacts import Detection
from include.errors import BadInputError
from include.storage.content import md5_of

SOURCE = "src"
SERVICE = "service.py"
ONNX = "model/detector.onnx"
WEIGHTS = "model/weights.pt"
SETTINGS = "model/detector.json"  # {"model", "classes", "detector", "min_score", …}
REFERENCE_IMAGE = "reference/image"  # without a suffix: Pillow tells the format from the bytes
REFERENCE_DETECTIONS = "reference/detections.json"


@dataclass(frozen=True)
class OpenedBundle:
    """An unpacked archive. Raises BadInputError where a file that should be in it is not, or cannot be read."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where one of our files lies."""
        path = self.folder / SOURCE / name
        if not path.is_file():
            raise BadInputError(f"bundle archive: {SOURCE}/{name} is missing; pack the checkpoint again (pack_model)")
        return path

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.path(name).read_bytes())
        except ValueError as error:
            raise BadInputError(f"bundle archive: {SOURCE}/{name} is not JSON: {error}") from None

    @property
    def settings(self) -> dict[str, Any]:
        """The detector's configuration, its classes, and how it serves."""
        return dict(self._json(SETTINGS))

    @property
    def expected(self) -> tuple[Detection, ...]:
        """What the model saw in the reference image when it was trained."""
        return tuple(Detection.model_validate(one) for one in self._json(REFERENCE_DETECTIONS))

    def hashes(self) -> dict[str, str]:
        """md5 of every file whose bytes follow from the checkpoint and our code, by path in the archive.

        BentoML's own files (bento.yaml, Dockerfile, OpenAPI) change with its version and are left out.
        """
        files = (path for path in sorted((self.folder / SOURCE).rglob("*")) if path.is_file() and path.name != "bentofile.yaml")
        return {path.relative_to(self.folder).as_posix(): md5_of(path.read_bytes()) for path in files}


def open_archive(archive: bytes, folder: Path) -> OpenedBundle:
    """The archive's contents in `folder`. Raises BadInputError where the bytes are no whole archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                _write(tar, member, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInputError(
            f"bundle archive: {len(archive)} bytes are no whole tar archive ({error}); pack the checkpoint again (pack_model)"
        ) from None
    return OpenedBundle(folder)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """A file of the archive below `folder`, and nowhere else. (`extractall(filter="data")` came with Python 3.11.4.)"""
    path = (folder / member.name).resolve()
    if not (member.isfile() or member.isdir()) or not path.is_relative_to(folder.resolve()):
        raise BadInputError(f"bundle archive: {member.name} is no plain file inside it; pack the checkpoint again (pack_model)")
    if (content := tar.extractfile(member)) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
