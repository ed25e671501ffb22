"""A step's work done from a terminal: the same cards, the same provenance, made by a person.

The same work again goes on where it was killed: its run folder follows from the person, the step, what it reads, its
configuration and the code, and a number that counts the runs that were finished.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Mapping
from itertools import count
from pathlib import PurePosixPath

from include.step.plate import ROOT, read_plate
from include.step.step_run import Config, Identity, StepRun, resolve_dataset
from include.storage import Store
from include.storage.addresses import CARD, DatasetName, clean, task_folder
from include.storage.content import md5_of


def person() -> str:
    """Who is at the terminal: $VISIONLOOP_STARTED_BY, or the user's name."""
    return os.environ.get("VISIONLOOP_STARTED_BY") or getpass.getuser()


def git_commit() -> str:
    """The checkout's commit, `-dirty` where files were changed; `unknown` outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    asked = subprocess.run(command, capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def step_by_hand(step: str, config: Config, store: Store, inputs: Mapping[str, str]) -> StepRun[Config]:
    """A run of a step that no DAG started: one that was not finished, or a new one. Movable names become what they mean now."""
    fixed = {name: fixed_versions(store, addresses) for name, addresses in inputs.items()}
    commit = git_commit()
    work = md5_of(json.dumps([step, fixed, config.model_dump(mode="json"), commit], sort_keys=True).encode())[:16]
    run_ids = (clean(f"{person()}__{work}.{number}") for number in count(1))
    run_id = next(one for one in run_ids if not store.exists(f"{task_folder('by_hand', one, step)}/{CARD}"))
    who = Identity("by_hand", run_id, step, person(), commit, "unknown", "process")
    return StepRun(read_plate(step), config, fixed, task_folder("by_hand", run_id, step), store, who)


def fixed_versions(store: Store, addresses: str) -> str:
    """Comma-separated `dataset://name:version`, as numbers: `latest` and aliases as what they name now."""
    names = [DatasetName.parse(one) for one in addresses.split(",") if one]
    keys = [PurePosixPath(resolve_dataset(store, f"dataset://{one.name}:{one.version}")) for one in names]
    return ",".join(f"dataset://{one.name}:{key.stem}" for one, key in zip(names, keys, strict=True))
