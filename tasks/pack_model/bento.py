"""Build a BentoML archive: run as a child process, because BentoML reads BENTOML_HOME when it is first imported, imports the
service into its own process, and may warn about itself.

    python -m tasks.pack_model.bento CONTENTS TAG CREATED_AT ARCHIVE
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import yaml

from include.errors import StepError

SERVES_WITH = ("bentoml", "numpy", "onnxruntime", "pillow")


def build_archive(contents: Path, tag: str, created_at: datetime, scratch: Path) -> bytes:
    """The archive of `contents`, a folder that holds service.py: the same bytes for the same contents, tag and time."""
    archive = scratch / "bundle.tar"
    env = dict(
        os.environ, BENTOML_HOME=str(scratch / "bentoml"), BENTOML_DO_NOT_TRACK="True", HOME=str(scratch), PYTHONWARNINGS=""
    )
    command = [sys.executable, "-m", "tasks.pack_model.bento", str(contents), tag, created_at.isoformat(), str(archive)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise StepError(f"bentoml could not build {tag} (exit {done.returncode}): {done.stderr.strip()[-2000:]}")
    return archive.read_bytes()


def _build(contents: Path, tag: str, created_at: str, archive: Path) -> None:
    import bentoml

    name, _, number = tag.partition(":")
    bento = bentoml.bentos.build(
        "service.py:DetectorService", name=name, version=number, build_ctx=str(contents), include=["**"],
        python={"packages": [f"{package}=={version(package)}" for package in SERVES_WITH], "lock_packages": False},
    )  # fmt: skip
    about = Path(bento.path) / "bento.yaml"
    # the one value that differs between two builds of the same contents
    about.write_text(yaml.safe_dump({**yaml.safe_load(about.read_text()), "creation_time": created_at}, sort_keys=False))
    with tarfile.open(archive, "w") as tar:  # as `bentoml export` does, without this machine's times, owners and order
        for path in sorted(Path(bento.path).rglob("*")):
            tar.add(path, path.relative_to(bento.path).as_posix(), recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Of nobody and no time; none of the byte code that importing the service left behind."""
    if "__pycache__" in member.name:
        return None
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.name.endswith(".sh") else 0o644
    return member


if __name__ == "__main__":
    _build(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
