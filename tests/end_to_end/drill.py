"""What a stack knows, asked before it is lost and after it was put back; and the command line, as a person calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from cli.home import ROOT
from cli.trace import as_dict, chain
from include.lineage import Lineage
from include.storage.addresses import ModelName
from tests.end_to_end.loop import DAGS, Loop


def visionloop(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=600)


def known(loop: Loop) -> dict[str, Any]:
    """The champion and everything behind it, each version, each decision, each run with its tasks."""
    lineage = Lineage()
    champion = lineage.model_version(ModelName("shapes", "champion"))
    return {
        "champion": (champion.version, champion.tags),
        "trace": as_dict(chain(loop.store, champion.tags["visionloop.bundle"])),
        "metrics": lineage.client.get_run(champion.run_id).data.metrics,
        "versions": loop.versions(),
        "decisions": [one.model_dump(mode="json") for one in loop.promotions()],
        "runs": {dag_id: [(run["dag_run_id"], run["state"], run["end_date"]) for run in loop.runs(dag_id)] for dag_id in DAGS},
        "tasks": {dag_id: [loop.api.tasks(dag_id, run["dag_run_id"]) for run in loop.runs(dag_id)] for dag_id in DAGS},
    }
