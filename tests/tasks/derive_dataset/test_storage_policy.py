"""docs/storage_policy.md against what the steps' processes ask of the store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deliveries import deliver_pictures
from tests.step_process import ROOT

POLICY = (ROOT / "docs/storage_policy.md").read_text()
# Notes every key that this process, and those it starts, ask obstore for; the first word says how.
RECORDING = """
import obstore, os, runpy, sys
def noted(how, call):
    def asked(store, key=None, *args, **kwargs):
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(f"{how} {key}\\n")
        return call(store, key, *args, **kwargs)
    return asked
for name, how in (("get", "reads"), ("head", "reads"), ("list", "reads"), ("put", "writes"), ("delete", "deletes")):
    setattr(obstore, name, noted(how, getattr(obstore, name)))
if __name__ == "__main__":
    step = sys.argv.pop(1)
    runpy.run_module(f"tasks.{step}", run_name="__main__", alter_sys=True)
"""
CHAIN: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("ingest_labels", {"source": "trees", "kind": "coco", "prefix": "inbox/trees"}, {}),
    ("validate_annotations", {"source": "trees", "owner": "ada", "classes": {"Tree": "Tree"}},
     {"batch": "runs/a_dag/r1/ingest_labels/card.json"}),
    ("build_dataset", {"name": "trees", "classes": ["Tree"]}, {"labels": "labels/trees/checked"}),
    ("derive_dataset", {"name": "tiles", "do": {"operation": "transform", "how": {"kind": "tile", "size_px": 32}}},
     {"parents": "dataset://trees:latest"}),
)  # fmt: skip


def allowed(step: str) -> dict[str, set[str]]:
    """The first folders that the document's table lets a step read and write."""
    (row,) = re.findall(rf"^\| `{step}` \|(.*)\|$", POLICY, re.MULTILINE)
    reads, writes = (set(re.findall(r"`([^`/]+)/?`", cell)) for cell in row.split("|"))
    return {"reads": {"inbox" if one == "<inbox>" else one for one in reads}, "writes": writes}


def touched(step: str, config: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, set[str]]:
    """The first folders of the keys that a step's process asked for."""
    notes, script = folder / f"{step}.notes", folder / "recording.py"
    script.write_text(RECORDING)
    words = [word for name, address in inputs.items() for word in ("--input", f"{name}={address}")]
    command = [sys.executable, str(script), step, "--output", f"runs/a_dag/r1/{step}", "--config", json.dumps(config), *words]
    given = {"VISIONLOOP_STORE": f"file://{folder}/store", "VISIONLOOP_DAG_ID": "a_dag", "VISIONLOOP_RUN_ID": "r1"}
    environment = os.environ | given | {"NOTES": str(notes), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found: dict[str, set[str]] = {"reads": set(), "writes": set(), "deletes": set()}
    for line in notes.read_text().splitlines():
        how, key = line.split(" ", 1)
        found[how].add(key.split("/")[0])
    return found


@pytest.mark.integration
def test_steps_touch_what_the_policy_allows_and_no_more(tmp_path: Path) -> None:
    deliver_pictures(tmp_path / "store", "batch-1", [1, 2, 3])
    for step, config, inputs in CHAIN:
        found, may = touched(step, config, inputs, tmp_path), allowed(step)
        if "files" in may["writes"]:  # the sentence after the table
            may["reads"].add("gc")
        assert (step, found["writes"], found["deletes"]) == (step, may["writes"], set())
        assert found["reads"] <= may["reads"], step
        # what it writes is read again only by a second try, which finds it there
        assert may["reads"] <= found["reads"] | found["writes"], step


def test_the_policies_are_json_and_name_only_the_prefix() -> None:
    policies = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", POLICY, re.DOTALL)]
    assert len(policies) == 2
    for policy in policies:
        for statement in policy["Statement"]:
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            if statement["Action"] == "s3:ListBucket":
                assert statement["Condition"]
            else:
                assert all(one.startswith("arn:aws:s3:::BUCKET/PREFIX/") for one in resources)
