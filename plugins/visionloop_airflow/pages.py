"""Our pages in Airflow's web server: what steps wrote for people, and the way to MLflow. For logged-in users only.

/visionloop/artifacts/{key}       a page or picture below runs/
/visionloop/mlflow/{dag}/{run}    the MLflow run of a DAG run's training
"""

from __future__ import annotations

import html
import mimetypes
import os
from typing import Any

import httpx
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from include.storage import open_store
from include.storage.addresses import run_folder

OUTPUT_TAG = "visionloop.output"
SHOWN = {"text/html", "text/css", "image/png", "image/jpeg", "image/svg+xml", "application/json", "text/plain"}
# Pages are data: their scripts and forms do not run with the rights of the person who looks at them.
HEADERS = {"Content-Security-Policy": "sandbox; default-src 'self' data: 'unsafe-inline'", "X-Content-Type-Options": "nosniff"}

app = FastAPI(title="Visionloop pages", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/artifacts/{key:path}")
def artifact(key: str, user: GetUserDep) -> Response:
    """An object below runs/, with the type that its name says."""
    kind = mimetypes.guess_type(key)[0]
    if not key.startswith("runs/") or ".." in key.split("/") or kind not in SHOWN:
        raise HTTPException(404, "only pages and pictures below runs/ are shown here")
    try:
        data = open_store(os.environ["VISIONLOOP_STORE"]).read(key)
    except FileNotFoundError:
        return notice("Not written yet", f"{key} appears when the step has finished.", 404)
    return Response(data, media_type=kind, headers=HEADERS)


@app.get("/mlflow/{dag_id}/{run}")
def mlflow_run(dag_id: str, run: str, user: GetUserDep) -> Response:
    """To the MLflow run of this DAG run's training; a word of patience where there is none yet."""
    tracking = os.environ["MLFLOW_TRACKING_URI"].rstrip("/")
    shown_at = (os.environ.get("VISIONLOOP_MLFLOW_UI") or tracking).rstrip("/")
    try:
        found = find_run(tracking, f"{run_folder(dag_id, run)}/train_detector")
    except httpx.HTTPError as error:
        return notice("MLflow does not answer", f"{tracking}: {error}", 502)
    if found is None:
        return notice("No MLflow run yet", "It appears when train_detector has read its dataset.", 404)
    return RedirectResponse(f"{shown_at}/#/experiments/{found['experiment_id']}/runs/{found['run_id']}")


def find_run(tracking: str, output: str) -> Any | None:
    """The info of the run whose output folder is `output`, by MLflow's REST API; None if there is none."""
    with httpx.Client(base_url=f"{tracking}/api/2.0/mlflow", timeout=10) as client:
        answer = client.post("/experiments/search", json={"max_results": 1000}).raise_for_status().json()
        experiments = [one["experiment_id"] for one in answer.get("experiments", [])]
        body = {"experiment_ids": experiments, "filter": f"tags.`{OUTPUT_TAG}` = '{output}'", "max_results": 1}
        runs = client.post("/runs/search", json=body).raise_for_status().json().get("runs", [])
    return runs[0]["info"] if runs else None


def notice(title: str, text: str, status: int) -> HTMLResponse:
    """A page with one sentence."""
    body = f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
    style = "body{font:16px system-ui;margin:4em auto;max-width:40em}"
    return HTMLResponse(f"<!doctype html><title>{html.escape(title)}</title><style>{style}</style>{body}", status_code=status)
