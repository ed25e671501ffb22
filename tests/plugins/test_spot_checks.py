"""The page of a sample in Airflow's web server: who sees it, who may answer, and what is kept."""

import json
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from include.artifacts import SpotCheck, Stratum
from include.artifacts.base import Cost, MadeBy
from include.spot_checks.sheet import Row, to_json
from include.storage import open_store
from visionloop_airflow.spot_checks import app

HERE = "/labels__s/r1"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PAGE = b"""<html><div id=standing></div><form method=post><input type=radio name=item_1 value='ok'>
<input type=radio name=item_1 value='not an object'><input type=radio name=item_2 value='missed'><button>Send</button></form>"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """With the spot check of one run: two rows, of ten labels and of five pictures."""
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    store = open_store(f"file://{tmp_path}/store")
    made_by = MadeBy(
        step="spot_check", dag_id="labels__s", run_id="r1", task_id="spot_check", started_by="a test", git_commit="0",
        runtime="process", environment="lock:1", started_at=NOON, ended_at=NOON, duration_s=1,
        cost=Cost(amount=0, currency="EUR"),
    )  # fmt: skip
    strata = (
        Stratum(subject="annotation", name="<b>Tree", population=10, sampled=1),
        Stratum(subject="image", name="with labels", population=5, sampled=1),
    )
    card = SpotCheck(made_by=made_by, inputs={}, config={}, source="s", batch_id="b1", by=("class_name",), strata=strata,
                     sample="sample.json", page="runs/labels__s/r1/spot_check/spot_check.html", sheet="s")  # fmt: skip
    rows = [Row(1, "annotation", "d1#0", "s/a.png", "0" * 32, "<b>Tree", "<b>Tree", (1.0, 2.0, 3.0, 4.0)),
            Row(2, "image", "s/a.png", "s/a.png", "0" * 32, "with labels", None)]  # fmt: skip
    store.write("runs/labels__s/r1/spot_check/card.json", card.to_bytes())
    store.write(card.page, PAGE)
    store.write(card.sample, to_json(rows))
    return store


class Ada:
    def get_name(self):
        return "ada"


@pytest.fixture
def client(store, monkeypatch):
    """Ada sees labels__s and labels__t, and may start labels__s alone."""
    from airflow.api_fastapi.core_api import security

    class Manager:
        def is_authorized_dag(self, *, method, access_entity, details, user):
            return details.id == "labels__s" or (details.id == "labels__t" and method == "GET")

    monkeypatch.setattr(security, "get_auth_manager", Manager)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)
    app.dependency_overrides[security.get_user] = Ada
    yield TestClient(app, follow_redirects=False)
    app.dependency_overrides.clear()


def verdicts(store):
    return [
        json.loads(store.read(entry.key)) for entry in sorted(store.list("labels/s/spot_checks/b1/verdicts"), key=lambda e: e.key)
    ]


def test_a_stranger_neither_sees_nor_says_anything(store):
    assert TestClient(app).get(HERE).status_code == 401
    assert TestClient(app).post(HERE, data={"item_1": "ok"}).status_code == 401
    assert verdicts(store) == []


def test_one_who_may_not_start_the_dag_cannot_answer(client, store):
    store.write("runs/labels__t/r1/spot_check/card.json", store.read("runs/labels__s/r1/spot_check/card.json"))
    assert client.get("/labels__t/r1").status_code == 200
    assert client.post("/labels__t/r1", data={"item_1": "ok"}).status_code == 403
    assert client.get("/labels__u/r1").status_code == 403
    assert verdicts(store) == []


def test_what_was_chosen_is_kept_with_the_name_and_shown(client, store):
    assert "nothing is known yet" in client.get(HERE).text
    answer = client.post(HERE, data={"item_1": "not an object", "item_2": "missed"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "r1"  # where it was sent to
    (kept,) = verdicts(store)
    assert (kept["who"], kept["said"]["1"]["verdict"], kept["said"]["2"]["verdict"]) == ("ada", "not an object", "missed")
    page = client.get(HERE).text
    assert "name=item_1 value='not an object' checked" in page
    assert "name=item_1 value='ok'>" in page
    assert "100.0% of all 10 labels are wrong" in page
    assert "Looked at by ada." in page
    assert "<b>Tree" not in page


def test_a_changed_mind_replaces_and_the_same_again_writes_nothing(client, store):
    for verdict in ("ok", "not an object", "not an object"):
        client.post(HERE, data={"item_1": verdict})
    assert [one["said"]["1"]["verdict"] for one in verdicts(store)] == ["ok", "not an object"]


def test_no_script_runs_and_the_form_goes_home(client):
    policy = client.get(HERE).headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "form-action 'self'" in policy
    assert "script" not in policy


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_on_another_site_is_not_sent_in_adas_name(client, store, site):
    assert client.post(HERE, data={"item_1": "ok"}, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert verdicts(store) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"item_9=ok", 400), (b"item_1=missed", 400), (b"x=y", 400), (b"\xff\xfe=%ff", 400), (b"item_1=" + b"o" * 2**20, 413),
    ],
    ids=["unknown item", "other subject's word", "unknown field", "no text", "too long"],
)  # fmt: skip
def test_what_our_page_does_not_send_is_refused(client, store, body, status):
    assert client.post(HERE, content=body).status_code == status
    assert verdicts(store) == []


def test_a_run_without_a_spot_check_says_so(client):
    assert client.get("/labels__s/r9").status_code == 404
    assert client.post("/labels__s/r9", data={"item_1": "ok"}).status_code == 404


@pytest.mark.integration
def test_a_person_clicks_and_sends(client, store):
    """In a real browser, under the page's own policy: chosen, sent, kept, and shown as chosen."""
    import shutil
    import threading
    import time

    import uvicorn
    from fastapi import FastAPI
    from playwright.sync_api import sync_playwright

    if (program := shutil.which("chromium")) is None:
        pytest.skip("no Chromium on this machine")
    site = FastAPI()
    site.mount("/visionloop/spot_check", app)
    server = uvicorn.Server(uvicorn.Config(site, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/visionloop/spot_check{HERE}")
            page.check("input[name=item_1][value='not an object']")
            page.click("button")
            page.wait_for_selector("text=100.0% of all 10 labels are wrong")
            assert page.is_checked("input[name=item_1][value='not an object']")
            assert page.url.endswith(HERE)
            browser.close()
    finally:
        server.should_exit = True
        thread.join(10)
    assert [one["said"]["1"]["verdict"] for one in verdicts(store)] == ["not an object"]
