"""A step's work done from a terminal: the same cards, the same provenance, made by a person."""

from __future__ import annotations

import getpass
import os
import subprocess
from datetime import UTC, datetime
from typing import Any

from include.step.plate import ROOT, read_plate
from include.step.step_run import Config, Identity, StepRun
from include.storage import Store
from include.storage.addresses import clean, task_folder


def person() -> str:
    """Who is at the terminal: $VISIONLOOP_STARTED_BY, or the user's name."""
    return os.environ.get("VISIONLOOP_STARTED_BY") or getpass.getuser()


def git_commit() -> str:
    """The checkout's commit, `-dirty` where files were changed; `unknown` outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    asked = subprocess.run(command, capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def step_by_hand(step: str, config: Config, store: Store, inputs: dict[str, str]) -> StepRun[Config]:
    """A run of a step that no DAG started. Each has its own run id: who and when."""
    run_id = clean(f"{person()}__{datetime.now(UTC):%Y-%m-%dT%H_%M_%S.%f}")
    who = Identity("by_hand", run_id, step, person(), git_commit(), "unknown", "process")
    addresses: dict[str, Any] = inputs
    return StepRun(read_plate(step), config, addresses, task_folder("by_hand", run_id, step), store, who)
