"""Claim: of 20 models due at the same minute, the last one's first task runs within 60 s of that minute, on two cores.

How: a real embedded stack (SQLite, LocalExecutor, 4 tasks at once) with 20 DAGs made as dags/models.py makes them, each with five
tasks in a row that do nothing, so that Airflow alone is measured. The peer, in the same run: one such DAG, due at a minute of its
own. Lag is the start of a run's first task after the minute it was due; the whole night ends with the last task of the last run.

    .venv/cli/bin/python -m benchmarks.nightly_lag
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli import services, stack
from cli.airflow_api import AirflowApi
from cli.home import ROOT, Home, client_environment

MODELS = 20
BOUND_S = 60.0
WITHIN_S = 300
TASKS = 5


def nights(now: datetime) -> dict[str, datetime]:
    """When each model is due: the peer first, then all others at once. There is time to read the DAGs before."""
    first = (now + timedelta(seconds=80)).replace(second=0, microsecond=0)
    return {"alone": first} | {f"m{number:02}": first + timedelta(minutes=1) for number in range(MODELS)}


def ended(api: AirflowApi, name: str, due: datetime) -> tuple[float, float] | None:
    """Seconds from due to the first task's start and to the last task's end; None: not yet. Exits if a task failed."""
    run = next(iter(api.recent_runs(f"model__{name}")), None)
    if run is None or run["state"] in ("queued", "running"):
        return None
    tasks = api.tasks(f"model__{name}", run["dag_run_id"])
    if run["state"] != "success" or len(tasks) != TASKS or run["run_type"] != "scheduled":
        sys.exit(f"model__{name}: {run['run_type']} run {run['state']}, {len(tasks)} tasks")
    starts = [task.started_at for task in tasks if task.started_at]
    ends = [task.started_at + timedelta(seconds=task.duration_s or 0) for task in tasks if task.started_at]
    return (min(starts) - due).total_seconds(), (max(ends) - due).total_seconds()


def measure(home: Home, file: Path) -> dict[str, tuple[float, float]]:
    running = stack.up(home)
    os.environ.update(client_environment(home, running))
    api, due = AirflowApi(running), nights(datetime.now(UTC))
    file.write_text(json.dumps({name: f"{when.minute} {when.hour} * * *" for name, when in due.items()}))
    while not all(api.has_dag(f"model__{name}") for name in due):
        if errors := api.import_errors():
            sys.exit(str(errors))
        time.sleep(1)
    if (late := min(due.values()) - datetime.now(UTC)) < timedelta(seconds=5):
        sys.exit(f"the DAGs were read too late ({late.total_seconds():.0f} s before the first was due): run it again")
    deadline, found = time.monotonic() + WITHIN_S, dict[str, tuple[float, float]]()
    time.sleep((max(due.values()) - datetime.now(UTC)).total_seconds() + 20)  # asking costs the server, too
    while missing := due.keys() - found.keys():
        if time.monotonic() > deadline:
            sys.exit(f"not ended within {WITHIN_S} s: {sorted(missing)}")
        found |= {name: one for name in missing if (one := ended(api, name, due[name]))}
        time.sleep(5)
    api.close()
    return found


def main() -> None:
    """The table; exit 1 if the bound is missed."""
    ours = services.airflow_environment
    with tempfile.TemporaryDirectory() as folder:
        home, file = Home(Path(folder) / "home"), Path(folder) / "nights.json"
        settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "benchmarks" / "nightly_dags"), "BENCHMARK_NIGHTS": str(file)}
        settings["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"] = "5"
        services.airflow_environment = lambda *where: ours(*where) | settings
        try:
            found = measure(home, file)
        finally:
            stack.down(home)
    together = {name: one for name, one in found.items() if name != "alone"}
    lags = [lag_s for lag_s, _ in together.values()]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seconds after the minute due")
    print(f"one model alone (peer): first task {found['alone'][0]:.1f}, all {TASKS} tasks ended {found['alone'][1]:.1f}")
    print(
        f"{MODELS} models at once: first task {min(lags):.1f} to {max(lags):.1f}, median {statistics.median(lags):.1f}; ", end=""
    )
    print(
        f"all {MODELS * TASKS} tasks ended {max(end_s for _, end_s in together.values()):.1f} (bound for the first {BOUND_S:.0f})"
    )
    sys.exit(max(lags) > BOUND_S)


if __name__ == "__main__":
    main()
