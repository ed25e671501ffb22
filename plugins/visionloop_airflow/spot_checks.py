"""Spot checks in Airflow's web server: the page of a sample, where a person says of each label whether it is right.

    GET  /visionloop/spot_check/{dag}/{run}    the page, with the verdicts so far and what they say of all labels
    POST the same                              keeps verdicts, with the name of who sent them; for those who may start the DAG, or
                                               answer its approvals

No script runs on it. A verdict that was sent before can be changed: what it was stays in the records.
"""

from __future__ import annotations

import asyncio
import os
from urllib.parse import parse_qsl, quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from include.artifacts import SpotCheck
from include.errors import BadInputError
from include.spot_checks.form import filled_in, read_form, standing_parts
from include.spot_checks.results import read_rows, read_verdicts, record, result
from include.storage import Store, open_store
from include.storage.addresses import CARD, run_folder
from visionloop_airflow.pages import may_see_dag, notice

BODY_BYTES_MAX = 2**20
# Its form is sent as the person who looks at it; nothing else that it might hold does anything.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
}  # fmt: skip

may_start_dag = requires_access_dag(method="POST", access_entity=DagAccessEntity.RUN)
may_approve = requires_access_dag(method="PUT", access_entity=DagAccessEntity.HITL_DETAIL)
app = FastAPI(title="Visionloop spot checks", docs_url=None, redoc_url=None, openapi_url=None)


def opened(dag_id: str, run: str) -> tuple[Store, SpotCheck | None]:
    """The store, and the card of the spot check that a run made."""
    store = open_store(os.environ["VISIONLOOP_STORE"])
    try:
        return store, SpotCheck.load(store, f"{run_folder(dag_id, run)}/spot_check/{CARD}")
    except BadInputError:
        return store, None


def may_judge(request: Request, user: GetUserDep) -> None:
    """A verdict is given by those who decide, or run, what becomes of the labels."""
    try:
        may_start_dag(request, user)
    except HTTPException:
        may_approve(request, user)


def from_our_page(request: Request) -> None:
    """Another site's form is not sent in a person's name. Browsers say where a form was; raises 403 for elsewhere."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "sent from another site")


@app.get("/{dag_id}/{run}", dependencies=[Depends(may_see_dag)])
def spot_check(dag_id: str, run: str) -> Response:
    """The page; a word of patience where there is none yet."""
    store, card = opened(dag_id, run)
    if card is None:
        return notice("No spot check", "It appears when the step has finished; a batch without labels has none.", 404)
    said, _ = read_verdicts(store, card)
    page = filled_in(store.read(card.page).decode(), said, standing_parts(result(store, card)))
    return HTMLResponse(page, headers=HEADERS)


@app.post("/{dag_id}/{run}", dependencies=[Depends(may_judge), Depends(from_our_page)])
async def send(dag_id: str, run: str, request: Request, user: GetUserDep) -> Response:
    """Keep what was chosen, and show the page again."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, "more than a form of ours holds")
    return await asyncio.to_thread(keep, dag_id, run, body, str(user.get_name()))


def keep(dag_id: str, run: str, body: bytes, who: str) -> Response:
    store, card = opened(dag_id, run)
    if card is None:
        return notice("No spot check", "This run has none.", 404)
    try:
        said = read_form(dict(parse_qsl(body.decode("ascii", "replace"))), read_rows(store, card))
    except BadInputError as error:
        return notice("Nothing was recorded", str(error), 400)
    record(store, card, said, who, is_change=True)
    return RedirectResponse(quote(run), status_code=303)  # to itself, whatever stands before it behind a proxy
