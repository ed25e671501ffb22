"""`visionloop demo`: two deliveries of labelled tree crowns become two detectors, and the better one serves.

Can be stopped and started at any point: it looks at what is in the store and goes on from there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from cli import stack as stacks
from cli.airflow_api import ACTIVE, AirflowApi, TaskState
from cli.home import Home, Stack, StackError, client_environment, say
from cli.progress import Progress
from cli.summary import addresses, summary
from cli.tree_crowns import fetch_wheel, write_deliveries
from include.artifacts import Bundle, LabelBatch, Promotion
from include.storage import Store, open_store
from include.storage.content import in_threads
from include.versions.history import read_version, version_numbers

INBOX = "inbox/trees"
DAGS = ("labels__trees", "dataset__trees", "model__trees")
QUIET_S = 45.0  # nothing runs for so long, and the goal is not reached: start the next DAG by hand


def deliver(store: Store, folder: Path) -> bool:
    """Put a delivery into the source's prefix, the annotation file last. False if it is there already."""
    target = f"{INBOX}/{folder.name}"
    if store.exists(f"{target}/annotations.json"):
        return False
    pictures = [path for path in folder.rglob("*") if path.is_file() and path.name != "annotations.json"]
    list(in_threads(lambda path: store.write(f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes()), pictures))
    store.write(f"{target}/annotations.json", (folder / "annotations.json").read_bytes())
    return True


def stage(store: Store, delivery: str) -> str | None:
    """The DAG that a delivery is waiting for; None when a model trained on it has been decided upon."""
    batches = [LabelBatch.load(store, entry.key) for entry in store.list("labels/trees/batches")]
    holding = [batch for batch in batches if any(one.item.startswith(f"{INBOX}/{delivery}/") for one in batch.deliveries)]
    if not holding:
        return "labels__trees"
    checked = f"labels/trees/checked/{holding[0].batch_id}.json"
    if not store.exists(checked):
        return "labels__trees"
    versions = [read_version(store, "trees", number) for number in version_numbers(store, "trees")]
    having = {version.label for version in versions if checked in version.checked_labels}
    if not having:
        return "dataset__trees"
    decided = [entry.key for entry in store.list("runs/model__trees") if entry.key.endswith("/promote_model/card.json")]
    bundles = (Bundle.load(store, Promotion.load(store, key).bundle) for key in decided)
    return None if any(bundle.dataset in having for bundle in bundles) else "model__trees"


def fail_if_red(api: AirflowApi, task: TaskState) -> None:
    """A failed task ends the demo, with its own error line and where to read more."""
    if task.state == "failed":
        raise StackError(
            f"{task.dag_id} {task.task_id} failed: {api.error_line(task)}\n"
            f"  its log: {api.url}/dags/{task.dag_id}/runs/{task.run_id}/tasks/{task.task_id}\n"
            "  mend it, then `make demo` again: it goes on from here"
        )


def follow(api: AirflowApi, store: Store, progress: Progress, delivery: str) -> None:
    """Show every task until the delivery's model is decided upon. A nightly run that falls into it is shown, not waited for."""
    last_active = time.monotonic()
    seen: dict[str, str] = {}
    while True:
        active = {run["run_type"] for dag_id in DAGS for run in show_runs(api, progress, dag_id, seen)}
        if active:
            last_active = time.monotonic()
        if active <= {"scheduled"}:
            if (waiting_for := stage(store, delivery)) is None:
                return
            if time.monotonic() - last_active > QUIET_S:
                progress.line(f"nothing is running: starting {waiting_for} by hand")
                api.trigger(waiting_for)
                last_active = time.monotonic()
        progress.tick()
        time.sleep(1)


def show_runs(api: AirflowApi, progress: Progress, dag_id: str, seen: dict[str, str]) -> list[dict[str, Any]]:
    """The active runs of a DAG. Tasks are shown of these, of the latest, and of those that ended since `seen` (state by run)."""
    runs = api.recent_runs(dag_id)
    for run in reversed(runs):
        run_id, state = run["dag_run_id"], run["state"]
        if state in ACTIVE or seen.get(run_id, state if run is not runs[0] else None) != state:
            for task in api.tasks(dag_id, run_id):
                progress.show(task)
                fail_if_red(api, task)
        seen[run_id] = state
    return [run for run in runs if run["state"] in ACTIVE]


def mend(api: AirflowApi, progress: Progress) -> None:
    """What an earlier demo left failed is tried again."""
    for dag_id in DAGS:
        run = next(iter(api.recent_runs(dag_id)), None)
        if run is not None and run["state"] == "failed":
            progress.line(f"{dag_id} had failed: repeating its failed steps")
            api.clear_failed(dag_id, run["dag_run_id"])


def wait_for_dags(api: AirflowApi) -> None:
    started = time.monotonic()
    while not all(api.has_dag(dag_id) for dag_id in DAGS):
        if errors := api.import_errors():
            raise StackError("DAG files that do not load: " + "; ".join(f"{file}: {line}" for file, line in errors.items()))
        if time.monotonic() - started > 120:
            raise StackError(f"the DAGs {', '.join(DAGS)} did not appear; see .visionloop/logs/dag-processor.log")
        time.sleep(1)


def _loop(home: Home, stack: Stack, console: Console, started: float) -> None:
    os.environ.update(client_environment(home, stack))
    store, api = open_store(os.environ["VISIONLOOP_STORE"]), AirflowApi(stack)
    progress = Progress(console, api, store, started)
    wait_for_dags(api)
    mend(api, progress)
    deliveries = write_deliveries(home.path / "demo")
    for number, folder in enumerate(deliveries, 1):
        if deliver(store, folder):
            progress.line(f"delivery {number} of {len(deliveries)} is in: {store.url}/{INBOX}/{folder.name}")
        follow(api, store, progress, folder.name)
    progress.close()
    say(summary(store, stack, seconds=time.monotonic() - started))


def run_demo(home: Home) -> None:
    """The whole loop. Ctrl-C stops the stack; what was done is kept, and the next demo goes on from there."""
    started, console = time.monotonic(), Console(highlight=False, soft_wrap=True)
    try:
        say("Visionloop demo: labels → checked labels → dataset version → checkpoint → bundle → report → promoted model")
        fetch_wheel(home.path / "demo")
        say(f"  starting Airflow, MLflow and the S3 server (logs in {home.logs})")
        stack = stacks.up(home)
        say(addresses(stack))
        _loop(home, stack, console, started)
    except KeyboardInterrupt:
        say("\nstopping the stack; `make demo` goes on from here")
        stacks.down(home)
        sys.exit(130)
