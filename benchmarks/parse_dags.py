"""Claim: Airflow reads all DAG files in under 1 s, and 100 models' definitions in under 5 s.

How: a real DagBag over dags/, in a fresh process per sample, timed after `import airflow.sdk` (which the DAG processor has
imported already); the median of 5. The peer, in the same run: one stock DAG file, which shows what DagBag itself costs.
With imports, a newly started process needs the last column.

    .venv/airflow/bin/python benchmarks/parse_dags.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 5
MODELS = 100
STOCK = """
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
with DAG("stock"):
    BashOperator(task_id="one", bash_command="true")
"""
MEASURE = """
import sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
started = time.perf_counter()
bag = DagBag(sys.argv[1], bundle_name="benchmark")
seconds = time.perf_counter() - started
assert not bag.import_errors, bag.import_errors
print(len(bag.dags), seconds)
"""


def write_definitions(folder: Path, models: int) -> None:
    """A source and a dataset, and so many models trained on it."""
    source = "owner: ada\nkind: coco\nprefix: inbox/cells\n"
    files = {"sources/cells": source, "datasets/cells": "owner: ada\nsources: [cells]\nclasses: [cell]\n"}
    model = "owner: ada\ndataset: cells\ntrain_detector: {family: centerpoint, epochs: 4}\n"
    files |= {f"models/cells-{number:03d}": model for number in range(models)}
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def sample(dags: Path, definitions: Path, home: Path) -> tuple[int, float, float]:
    """DAGs found, seconds in DagBag, seconds of the whole process."""
    settings = {
        "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "VISIONLOOP_DEFINITIONS": str(definitions), "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    command = [sys.executable, "-c", MEASURE, str(dags)]
    started = time.perf_counter()
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    total_s = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    count, seconds = done.stdout.splitlines()[-1].split()
    return int(count), float(seconds), total_s


def main() -> None:
    """The table; exit 1 if a bound is missed."""
    missed = False
    with tempfile.TemporaryDirectory() as name:
        home, many, stock = (Path(name) / part for part in ("home", "definitions", "stock"))
        for folder in (home, many, stock):
            folder.mkdir()
        (stock / "stock.py").write_text(STOCK)
        write_definitions(many, MODELS)
        cases = (
            ("one stock DAG", stock, many, None),
            ("all DAGs of this checkout", ROOT / "dags", ROOT / "include", 1.0),
            (f"{MODELS} models", ROOT / "dags", many, 5.0),
        )
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median of {SAMPLES} fresh processes")
        print(f"{'':<27}{'DAGs':>5}{'parse s':>9}{'bound s':>9}{'with imports s':>16}")
        for what, dags, definitions, bound_s in cases:
            samples = [sample(dags, definitions, home) for _ in range(SAMPLES)]
            parse_s, total_s = (statistics.median(one[column] for one in samples) for column in (1, 2))
            missed |= bound_s is not None and parse_s > bound_s
            print(f"{what:<27}{samples[0][0]:>5}{parse_s:>9.2f}{bound_s or '-':>9}{total_s:>16.2f}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
