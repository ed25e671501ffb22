"""A stock DVC, in the environment that is there for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(os.environ.get("VISIONLOOP_VENVS") or ROOT / ".venv") / "dvc" / "bin" / "python"
COMMANDS = """
import shlex, sys
from dvc.cli import main
for command in sys.argv[1:]:
    if exit_code := main(shlex.split(command)):
        sys.exit(f"dvc {command}: exit code {exit_code}")
"""


def dvc(folder: Path, *commands: str) -> str:
    """What it says to some commands in a folder, without `dvc`. One process for them all: its start takes seconds."""
    if not PYTHON.exists():
        pytest.skip("no stock dvc: python3 images/install.py dvc")
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site")}
    done = subprocess.run(
        [PYTHON, "-c", COMMANDS, *commands], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
