"""Run a step as it runs for real: `python -m tasks.<step>`, in a process of its own, over a store in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Dies as by the OOM killer, just before its n-th write to the store.
DYING = """
import os, runpy, signal, sys, obstore
put, left = obstore.put, [int(sys.argv[2])]
def dying_put(*args, **kwargs):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*args, **kwargs)
obstore.put = dying_put
step = sys.argv[1]
del sys.argv[1:3]
runpy.run_module(f"tasks.{step}", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a step's process ended. `error` is its last line with ERROR, as Airflow shows it."""

    exit_code: int
    stderr: str

    @property
    def error(self) -> str:
        return next((line.split(": ", 1)[1] for line in reversed(self.stderr.splitlines()) if " ERROR " in line), "")


@dataclass(frozen=True)
class StepProcess:
    """Steps over one store, as tasks of one DAG run after the other."""

    folder: Path
    dag_id: str = "a_dag"

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def output(self, step: str, run_id: str) -> str:
        return f"runs/{self.dag_id}/{run_id}/{step}"

    def start(
        self, step: str, config: Mapping[str, Any], run_id: str = "r1", inputs: Mapping[str, str] | None = None,
        die_before_write: int | None = None,
    ) -> subprocess.Popen[str]:  # fmt: skip
        prefix = ["-m", f"tasks.{step}"] if die_before_write is None else ["-c", DYING, step, str(die_before_write)]
        words = [word for name, address in (inputs or {}).items() for word in ("--input", f"{name}={address}")]
        return subprocess.Popen(
            [sys.executable, *prefix, "--output", self.output(step, run_id), "--config", json.dumps(config), *words],
            cwd=ROOT,
            env=os.environ
            | {
                "VISIONLOOP_STORE": self.url,
                "VISIONLOOP_DAG_ID": self.dag_id,
                "VISIONLOOP_RUN_ID": run_id,
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def run(self, step: str, config: Mapping[str, Any], **how: Any) -> Ended:
        with self.start(step, config, **how) as process:
            _, stderr = process.communicate(timeout=120)
        return Ended(process.returncode, stderr)
