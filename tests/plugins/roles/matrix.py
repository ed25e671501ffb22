"""The tables of docs/roles.md, and what to ask a server in order to find out whether a cell is true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOC = Path(__file__).resolve().parents[3] / "docs" / "roles.md"
SECRET = "sixteen letters!"
YES, NO = "yes", "–"


@dataclass(frozen=True)
class Question:
    """`{me}` in the path and the body is the user who asks."""

    method: str
    path: str
    json: Any = None
    expected: int = 200
    form: dict[str, str] | None = None
    headers: dict[str, str] | None = None


def table(heading: str) -> dict[str, dict[str, bool]]:
    """Row → column → whether the cell says yes. Of the table below the heading."""
    lines = DOC.read_text().split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    names = rows[0][1:]
    found = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows[2:]}
    assert {cell for row in found.values() for cell in row.values()} <= {YES, NO}
    return {row: {name: cell == YES for name, cell in cells.items()} for row, cells in found.items()}


API, OURS, FAB = "/api/v2", "/visionloop", "/auth/fab/v1"
RUNS = f"{API}/dags/model__cells/dagRuns"
DATES = {"from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-02T00:00:00Z"}
CLEAR = {"dag_run_id": "clear__{me}", "dry_run": False, "only_failed": False, "task_ids": ["train"]}
POOL = {"name": "pool_{me}", "slots": 1, "include_deferred": False}
CONNECTION = {"connection_id": "of_{me}", "conn_type": "http"}
PERSON = {
    "username": "made_by_{me}", "first_name": "a", "last_name": "b", "email": "{me}@example.com", "password": SECRET,
    "roles": [{"name": "Viewer"}],
}  # fmt: skip

QUESTIONS = {
    "see DAGs": Question("GET", f"{API}/dags/model__cells"),
    "see runs": Question("GET", f"{RUNS}/shown"),
    "see tasks": Question("GET", f"{RUNS}/shown/taskInstances/train"),
    "see logs": Question("GET", f"{RUNS}/shown/taskInstances/train/logs/1"),
    "see what a DAG's code is": Question("GET", f"{API}/dagSources/model__cells"),
    "see import errors": Question("GET", f"{API}/importErrors"),
    "see assets and their events": Question("GET", f"{API}/assets/events"),
    "see approvals that wait": Question("GET", f"{RUNS}/shown/taskInstances/approve/-1/hitlDetails"),
    "trigger a run": Question("POST", RUNS, {"logical_date": None}),
    "backfill": Question("POST", f"{API}/backfills", {"dag_id": "backfill__{me}", **DATES}),
    "clear a task": Question("POST", f"{API}/dags/model__cells/clearTaskInstances", CLEAR),
    "mark a task": Question("PATCH", f"{RUNS}/mark_task__{{me}}/taskInstances/approve", {"new_state": "success"}),
    "mark a run": Question("PATCH", f"{RUNS}/mark_run__{{me}}", {"state": "failed"}),
    "pause a DAG": Question("PATCH", f"{API}/dags/model__cells", {"is_paused": True}),
    "delete a run": Question("DELETE", f"{RUNS}/delete__{{me}}", expected=204),
    "delete a DAG": Question("DELETE", f"{API}/dags/delete__{{me}}", expected=204),
    "change an XCom": Question(
        "POST", f"{RUNS}/xcom__{{me}}/taskInstances/train/xcomEntries", {"key": "k", "value": 1}, expected=201
    ),
    "answer an approval": Question(
        "PATCH",
        f"{RUNS}/answer__{{me}}/taskInstances/approve/-1/hitlDetails",
        {"chosen_options": ["Approve"], "params_input": {}},
    ),
    "send an asset event": Question("POST", f"{API}/assets/events", {"asset_id": 1}),
    "see a dataset's card": Question("GET", f"{OURS}/artifacts/datasets/cells/v1.html"),
    "see Data Docs": Question("GET", f"{OURS}/data_docs/s/b1", expected=307),
    "see a run's report": Question("GET", f"{OURS}/artifacts/runs/model__cells/shown/evaluate_model/report.html"),
    "see a spot check": Question("GET", f"{OURS}/spot_check/labels__s/r1"),
    "record a verdict in a spot check": Question("POST", f"{OURS}/spot_check/labels__s/r1", form={"item_1": "ok"}, expected=303),
    "read the runbook": Question("GET", f"{OURS}/runbook"),
    "call a source's webhook, signed": Question(
        "POST", f"{OURS}/webhooks/s", {"by": "{me}"}, 202, headers={"x-visionloop-secret": SECRET}
    ),
    "call a source's webhook, not signed": Question("POST", f"{OURS}/webhooks/s", {"by": "{me}"}, 202),
    "see pools": Question("GET", f"{API}/pools"),
    "change pools": Question("POST", f"{API}/pools", POOL, expected=201),
    "see variables": Question("GET", f"{API}/variables/price"),
    "change variables": Question("POST", f"{API}/variables", {"key": "of_{me}", "value": "1"}, expected=201),
    "see connections": Question("GET", f"{API}/connections/s3"),
    "change connections": Question("POST", f"{API}/connections", CONNECTION, expected=201),
    "see the audit log": Question("GET", f"{API}/eventLogs"),
    "see users and roles": Question("GET", f"{FAB}/users"),
    "change users and roles": Question("POST", f"{FAB}/users", PERSON, expected=200),
}


def for_me(value: Any, me: str) -> Any:
    """With `{me}` filled in, wherever it is."""
    if isinstance(value, str):
        return value.replace("{me}", me)
    if isinstance(value, dict):
        return {name: for_me(one, me) for name, one in value.items()}
    return [for_me(one, me) for one in value] if isinstance(value, list) else value
