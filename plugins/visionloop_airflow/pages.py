"""Our pages in Airflow's web server: what steps wrote for people, and the way to MLflow. For those who may see the DAG.

/visionloop/artifacts/runs/{dag}/{run}/{task}/…   a page or picture that a task wrote
/visionloop/artifacts/datasets/{dataset}/v{n}.html  the card of a dataset version (v{n}.changes.html: since the one before), for
                                                   those who may see dataset__{dataset} or the DAG that made the version
/visionloop/dataset_card/{dag}/{run}/{task}        the same, of the version that a task made
/visionloop/data_docs/{source}/{batch}            how a batch of labels was checked
/visionloop/mlflow/{dag}/{run}                    the MLflow run of a DAG run's training
/visionloop/runbook                               docs/on-call.md, where alerts lead
"""

from __future__ import annotations

import html
import json
import mimetypes
import os
import re
from typing import Any

import httpx
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from include.storage import open_store
from include.storage.addresses import CARD, clean, run_folder
from visionloop_airflow import settings
from visionloop_airflow.links import base_url

OUTPUT_TAG = "visionloop.output"
SHOWN = {"text/html", "text/css", "image/png", "image/jpeg", "image/svg+xml", "application/json", "text/plain"}
# Pages are data: their scripts and forms do not run with the rights of the person who looks at them.
HEADERS = {"Content-Security-Policy": "sandbox; default-src 'self' data: 'unsafe-inline'", "X-Content-Type-Options": "nosniff"}

may_see_dag = requires_access_dag(method="GET")  # {dag_id} of the path, or any; 401 for strangers, 403 for those who may not
app = FastAPI(title="Visionloop pages", docs_url=None, redoc_url=None, openapi_url=None)
VERSION_PAGE = re.compile(r"(datasets/[a-z][a-z0-9_-]*/v[1-9][0-9]*)(\.changes)?\.html")


def may_see_dataset(request: Request, user: GetUserDep) -> None:
    """A dataset is seen by those who may see its DAG, a version also by those who may see the DAG that made it."""
    dataset, page = (request.path_params[name] for name in ("dataset", "page"))
    try:
        requires_access_dag(method="GET", param_dag_id=f"dataset__{dataset}")(request, user)
    except HTTPException:
        if (maker := maker_of(f"datasets/{dataset}/{page}")) is None:
            raise
        requires_access_dag(method="GET", param_dag_id=maker)(request, user)


def maker_of(page: str) -> str | None:
    """The DAG that made the version with this page; None for none."""
    found = VERSION_PAGE.fullmatch(page)
    card = read_card(f"{found[1]}.json") if found else None
    return str(card["made_by"]["dag_id"]) if card else None


@app.get("/artifacts/datasets/{dataset}/{page}", dependencies=[Depends(may_see_dataset)])
def version_page(dataset: str, page: str) -> Response:
    """The page of a dataset version."""
    if not VERSION_PAGE.fullmatch(f"datasets/{dataset}/{page}"):
        raise HTTPException(404, "only the pages of dataset versions are shown here: datasets/<name>/v<number>.html")
    return shown(f"datasets/{dataset}/{page}", "text/html")


@app.get("/dataset_card/{dag_id}/{run}/{task}", dependencies=[Depends(may_see_dag)])
def dataset_card(dag_id: str, run: str, task: str) -> Response:
    """To the page of the version that a task made; a word of patience where there is none yet."""
    card = read_card(f"{run_folder(dag_id, run)}/{clean(task)}/{CARD}")
    if card is None or card["kind"] != "dataset_version":
        return notice("No version", "Its card appears when the step has finished; a step with nothing to do makes none.", 404)
    return RedirectResponse(f"{base_url()}/artifacts/datasets/{card['name']}/{card['version']}.html")


def may_see_labels(request: Request, user: GetUserDep) -> None:
    """A source's batches are seen by those who may see its DAG."""
    requires_access_dag(method="GET", param_dag_id=f"labels__{request.path_params['source']}")(request, user)


@app.get("/data_docs/{source}/{batch}", dependencies=[Depends(may_see_labels)])
def data_docs(source: str, batch: str) -> Response:
    """To the Data Docs of a batch that was checked, or stopped, wherever that was."""
    folder, name = f"labels/{clean(source)}", f"{clean(batch)}.json"
    card = read_card(f"{folder}/checked/{name}") or read_card(f"{folder}/stopped/{name}")
    if card is None:
        return notice("Not checked yet", f"Of source {source} no batch {batch} was checked.", 404)
    return RedirectResponse(f"{base_url()}/artifacts/{card['data_docs']}")


def read_card(key: str) -> dict[str, Any] | None:
    """What a card says; None where there is none."""
    try:
        return dict(json.loads(open_store(os.environ["VISIONLOOP_STORE"]).read(key)))
    except (FileNotFoundError, ValueError):  # no such key, or no key at all: dots
        return None


@app.get("/artifacts/runs/{dag_id}/{rest:path}", dependencies=[Depends(may_see_dag)])
def artifact(dag_id: str, rest: str) -> Response:
    """An object of a DAG's runs, with the type that its name says."""
    key = f"runs/{dag_id}/{rest}"
    kind = mimetypes.guess_type(key)[0]
    if not {"", ".", ".."}.isdisjoint(key.split("/")) or kind not in SHOWN:
        raise HTTPException(404, "only pages and pictures below runs/ are shown here")
    return shown(key, kind)


def shown(key: str, kind: str | None) -> Response:
    """The object at a key; a word of patience where there is none yet."""
    try:
        data = open_store(os.environ["VISIONLOOP_STORE"]).read(key)
    except FileNotFoundError:
        seldom = "One that had nothing to do writes none, nor one that had nothing to compare: a dataset's first version."
        return notice("Nothing to show yet", f"{key} appears when the step has finished. {seldom}", 404)
    return Response(data, media_type=kind, headers=HEADERS)


@app.get("/mlflow/{dag_id}/{run}", dependencies=[Depends(may_see_dag)])
def mlflow_run(dag_id: str, run: str) -> Response:
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


@app.get("/runbook", dependencies=[Depends(may_see_dag)])
def runbook() -> HTMLResponse:
    """What to do about an alert; each step has its anchor."""
    import markdown

    text = (settings.ROOT / "docs" / "on-call.md").read_text()
    body = markdown.markdown(
        text, extensions=["fenced_code", "toc"], extension_configs={"toc": {"slugify": lambda name, _: name}}
    )
    return page("On call", body, 200)


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
    return page(title, f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>", status)


def page(title: str, body: str, status: int) -> HTMLResponse:
    """Of our own words."""
    style = "body{font:16px/1.5 system-ui;margin:4em auto;max-width:45em}pre{background:#f4f4f4;padding:1em;overflow:auto}"
    return HTMLResponse(f"<!doctype html><title>{html.escape(title)}</title><style>{style}</style>{body}", status_code=status)
