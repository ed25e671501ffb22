"""What the two benchmarks beside DVC share: pictures of noise, a measured process, a stock dvc repository, the table."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
VENVS = Path(os.environ.get("VISIONLOOP_VENVS") or ROOT / ".venv")
DVC = VENVS / "dvc" / "bin" / "dvc"
PYTHON = VENVS / "data" / "bin" / "python"
FILE_BYTES = 20_000


@dataclass(frozen=True)
class Run:
    """How long a process took, and the most memory that it and its children held at one time."""

    seconds: float
    peak_mb: float

    def __add__(self, other: Run) -> Run:
        return Run(self.seconds + other.seconds, max(self.peak_mb, other.peak_mb))


@dataclass(frozen=True)
class Compared:
    """Ours beside DVC's; `target` is how many times faster we claim to be."""

    what: str
    ours: Run
    dvc: Run
    target: float

    @property
    def ratio(self) -> float:
        return self.dvc.seconds / self.ours.seconds


def write_pictures(folder: Path, numbers: range) -> None:
    """As large as small JPEGs, and no two alike."""
    for number in numbers:
        path = folder / f"{number // 1000:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(number).randbytes(FILE_BYTES))


def measure(command: list[str | Path], folder: Path, environment: dict[str, str]) -> Run:
    """Run it to its end; exits if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak, ended = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak, ended))
    watcher.start()
    _, stderr = process.communicate()
    seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command[:3]))} failed:\n{stderr[-3000:]}")
    return Run(seconds, peak[0] / 1e6)


def _watch(process: psutil.Process, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        try:
            peak[0] = max(peak[0], sum(one.memory_info().rss for one in (process, *process.children(recursive=True))))
        except psutil.NoSuchProcess:
            return


class Repository:
    """A stock dvc repository with one remote, as `dvc init` and `dvc remote add` make it."""

    def __init__(self, folder: Path, remote: str, environment: dict[str, str]) -> None:
        self.folder = folder
        # a site cache of its own: what dvc remembers elsewhere of this path must not help or hinder it
        self.environment = environment | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site")}
        folder.mkdir(parents=True)
        self.run("init", "--no-scm", "-q")
        self.run("remote", "add", "-q", "-d", "there", remote)
        if remote.startswith("s3:"):
            self.run("remote", "modify", "-q", "there", "endpointurl", environment["AWS_ENDPOINT_URL"])

    def run(self, *words: str) -> Run:
        return measure([DVC, *words], self.folder, self.environment)


def show(rows: list[Compared]) -> bool:
    """Print the table; True if a target was missed."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seconds, and peak memory in MB")
    print(f"{'':<36}{'ours':>9}{'dvc':>9}{'times':>8}{'target':>8}{'our MB':>9}{'dvc MB':>9}")
    for one in rows:
        print(f"{one.what:<36}{one.ours.seconds:>9.2f}{one.dvc.seconds:>9.2f}{one.ratio:>8.1f}{one.target:>8.0f}"
              f"{one.ours.peak_mb:>9.0f}{one.dvc.peak_mb:>9.0f}{'' if one.ratio >= one.target else '  missed'}")  # fmt: skip
    return any(one.ratio < one.target for one in rows)


def require_tools() -> None:
    if not DVC.exists() or not PYTHON.exists():
        sys.exit("needs the data, cli and dvc environments: python3 images/install.py data cli dvc")


def forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
