"""Claim: a prefix of ImageNet's size, 1.2 million images, is adopted with at most 2.5 GB of memory, and goes on when killed.

How: N one-pixel PNGs, no two alike, in a thousand class folders of a store in a folder (so its ETags are no md5s, and every byte
is read). The real step adopts them with labels from the folders' names; once to its end, once killed when half of the objects
were looked at and started again. Said are objects a second, and the most memory that the step's process held. Needs about 5 KB
of disk an object (`--objects`: 1200000).

    .venv/cli/bin/python -m benchmarks.adopt_objects
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(os.environ.get("VISIONLOOP_VENVS") or ROOT / ".venv") / "data" / "bin" / "python"
TARGET_MB = 2500
CLASSES = 1000
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de000"
    "0000c4944415478da63606060000000040001c8eaebf90000000049454e44ae426082"
)


@dataclass(frozen=True)
class Run:
    """How a process of the step ended: seconds, the most memory it held, exit code (negative: the signal)."""

    seconds: float
    peak_mb: float
    exit_code: int


def fill(store: Path, objects: int) -> None:
    """Each image has its number behind its end, where no reader looks."""
    for number in range(objects):
        folder = store / "raw" / "train" / f"n{number % CLASSES:08d}"
        if number < CLASSES:
            folder.mkdir(parents=True)
        (folder / f"n{number % CLASSES:08d}_{number:07d}.png").write_bytes(PNG + str(number).encode())


def adopt(store: Path, run: str, objects: int, kill_at: float = 1.0) -> Run:
    """The step in a process of its own; killed when this share of the objects has answers that are kept."""
    config = {"name": "adopted", "do": {"operation": "adopt", "prefix": "raw", "format": "imagenet"}}
    words = ["--input", "parents=", "--output", f"runs/benchmark/{run}/derive_dataset", "--config", json.dumps(config)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [PYTHON, "-m", "tasks.derive_dataset", *words], cwd=ROOT, env=os.environ | {"VISIONLOOP_STORE": f"file://{store}"}
    )
    seen = store / "adopted" / "seen"
    ended, status, used = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        time.sleep(0.2)
        # a stretch of the listing, of about 1,024 objects, is a file
        if kill_at < 1 and seen.exists() and len(os.listdir(seen)) * 1024 >= kill_at * objects:
            os.kill(process.pid, signal.SIGKILL)
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(time.perf_counter() - started, used.ru_maxrss * 1024 / 1e6, process.returncode)


def forget(store: Path) -> None:
    for name in ("adopted", "datasets", "files", "runs"):
        shutil.rmtree(store / name, ignore_errors=True)


def images_of(store: Path) -> int:
    card = json.loads((store / "datasets" / "adopted" / "v1.json").read_text())
    return sum(split["images"] for split in card["splits"].values())


def main() -> None:
    """The numbers; exit 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=1_200_000)
    objects = parser.parse_args().objects
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        fill(store, objects)
        whole = adopt(store, "whole", objects)
        complete = images_of(store) if whole.exit_code == 0 else 0
        forget(store)
        killed, resumed = adopt(store, "killed", objects, kill_at=0.5), adopt(store, "killed", objects)
        if (whole.exit_code, killed.exit_code, resumed.exit_code) != (0, -signal.SIGKILL, 0):
            sys.exit(f"exit codes: got {whole.exit_code}, {killed.exit_code}, {resumed.exit_code}, expected 0, -9, 0")
        if not complete == images_of(store) == objects:
            sys.exit(f"images: got {complete} and {images_of(store)} of {objects}")
    print(f"{objects:,} objects; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for what, run in (("never killed", whole), ("killed half-way", killed), ("started again", resumed)):
        print(f"{what:<16}{run.seconds:>9.1f} s{run.peak_mb:>9.0f} MB")
    print(f"{objects / whole.seconds:,.0f} objects a second; target: at most {TARGET_MB} MB")
    sys.exit(max(whole.peak_mb, resumed.peak_mb) > TARGET_MB)


if __name__ == "__main__":
    main()
