import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from fastapi.testclient import TestClient

from include.storage import open_store
from visionloop_airflow.pages import app, may_see_dag, may_see_labels

KEY = "runs/model__cells/r1/evaluate_model/report.html"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def client(store):
    app.dependency_overrides |= {may_see_dag: lambda: None, may_see_labels: lambda: None}
    yield TestClient(app, follow_redirects=False)
    app.dependency_overrides.clear()


def test_a_stranger_sees_nothing(store):
    store.write(KEY, b"<p>secret numbers")
    store.write("datasets/cells/v1.html", b"<p>secret pictures")
    paths = [f"/artifacts/{KEY}", "/mlflow/model__cells/r1", "/artifacts/datasets/cells/v1.html"]
    paths += ["/dataset_card/model__cells/r1/build_dataset", "/runbook", "/data_docs/cells/1"]
    assert len(paths) == len(app.routes)
    for path in paths:
        answer = TestClient(app).get(path)
        assert answer.status_code == 401
        assert "secret" not in answer.text


def test_one_who_may_not_see_the_dag_does_not_see_its_runs(store, monkeypatch):
    """As an auth manager with rights per DAG would say; whose rights are asked for is the path's DAG."""
    from airflow.api_fastapi.core_api import security

    asked = []

    class Manager:
        def is_authorized_dag(self, *, method, access_entity, details, user):
            asked.append((method, details.id, user))
            return details.id == "model__cells"

    store.write(KEY, b"<p>cells")
    store.write(KEY.replace("cells", "nuclei"), b"<p>nuclei")
    monkeypatch.setattr(security, "get_auth_manager", Manager)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)
    app.dependency_overrides[security.get_user] = lambda: "ada"
    try:
        client = TestClient(app)
        assert client.get(f"/artifacts/{KEY}").text == "<p>cells"
        assert client.get(f"/artifacts/{KEY.replace('cells', 'nuclei')}").status_code == 403
        assert client.get("/artifacts/runs/model__cells/../model__nuclei/r1/evaluate_model/report.html").status_code == 403
        assert client.get("/artifacts/runs/model__cells/%2e%2e/model__nuclei/r1/evaluate_model/report.html").status_code in (
            403,
            404,
        )
        assert client.get("/mlflow/model__nuclei/r1").status_code == 403
    finally:
        app.dependency_overrides.clear()
    assert asked[0] == ("GET", "model__cells", "ada")


def card_of(name, dag_id):
    return json.dumps({"kind": "dataset_version", "name": name, "version": "v1", "made_by": {"dag_id": dag_id}}).encode()


@pytest.mark.parametrize(
    ("visible", "status"),
    [({"dataset__cells"}, 200), ({"dataset_filter"}, 200), ({"model__cells"}, 403), (set(), 403)],
    ids=["its own DAG", "the DAG that made it", "another", "none"],
)
@pytest.mark.parametrize("page", ["v1.html", "v1.changes.html"])
def test_a_version_is_seen_by_those_who_may_see_a_dag_of_its_own(store, monkeypatch, visible, status, page):
    from airflow.api_fastapi.core_api import security

    class Manager:
        def is_authorized_dag(self, *, details, **_):
            return details.id in visible

    store.write("datasets/cells/v1.json", card_of("cells", "dataset_filter"))
    store.write(f"datasets/cells/{page}", b"<p>pictures")
    monkeypatch.setattr(security, "get_auth_manager", Manager)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)
    app.dependency_overrides[security.get_user] = lambda: "ada"
    try:
        answer = TestClient(app).get(f"/artifacts/datasets/cells/{page}?dag_id=dataset__cells")
        # no card, no maker: only dataset__nuclei would do
        assert TestClient(app).get("/artifacts/datasets/nuclei/v1.html").status_code == 403
    finally:
        app.dependency_overrides.clear()
    assert answer.status_code == status
    assert ("pictures" in answer.text) == (status == 200)
    if status == 200:
        assert answer.headers["content-security-policy"].startswith("sandbox;")


def test_the_card_button_leads_to_the_version_that_the_task_made(client, store):
    store.write("runs/dataset__cells/r1/build_dataset/card.json", card_of("cells", "dataset__cells"))
    answer = client.get("/dataset_card/dataset__cells/r1/build_dataset")
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://airflow.example/visionloop/artifacts/datasets/cells/v1.html"
    assert client.get("/dataset_card/dataset__cells/r2/build_dataset").status_code == 404


def test_a_batch_leads_to_how_it_was_checked(client, store):
    key = "runs/labels__cells/r1/validate_annotations/data_docs/index.html"
    store.write("labels/cells/checked/0a1b.json", json.dumps({"kind": "checked_labels", "data_docs": key}).encode())
    answer = client.get("/data_docs/cells/0a1b")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"http://airflow.example/visionloop/artifacts/{key}"
    stopped = key.replace("r1", "r2")
    store.write("labels/cells/stopped/0a1b.json", json.dumps({"kind": "stopped_labels", "data_docs": stopped}).encode())
    store.write("labels/cells/stopped/0a1c.json", json.dumps({"kind": "stopped_labels", "data_docs": stopped}).encode())
    assert client.get("/data_docs/cells/0a1b").headers["location"].endswith(key)
    assert client.get("/data_docs/cells/0a1c").headers["location"].endswith(stopped)
    assert client.get("/data_docs/cells/ffff").status_code == 404
    assert client.get("/data_docs/%2e%2e/ffff").status_code == 404


def test_a_batch_is_seen_by_those_who_may_see_its_sources_dag(store, monkeypatch):
    from airflow.api_fastapi.core_api import security

    class Manager:
        def is_authorized_dag(self, *, details, **_):
            return details.id == "labels__cells"

    monkeypatch.setattr(security, "get_auth_manager", Manager)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: None)
    app.dependency_overrides[security.get_user] = lambda: "ada"
    try:
        client = TestClient(app)
        assert client.get("/data_docs/cells/0a1b").status_code == 404  # may see it, and there is none
        assert client.get("/data_docs/nuclei/0a1b?dag_id=labels__cells").status_code == 403
    finally:
        app.dependency_overrides.clear()


def test_a_report_is_shown_as_data_not_as_our_own_page(client, store):
    store.write(KEY, b"<p>numbers")
    answer = client.get(f"/artifacts/{KEY}")
    assert (answer.status_code, answer.text) == (200, "<p>numbers")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    "key",
    [
        "files/md5/ab/cdef.html",
        "runs/../files/x.html",
        "runs/%2e%2e/files/x.html",
        "runs/model__cells/r1/train_detector/resume.pt",
        "/etc/passwd.html",
    ],
    ids=["outside runs", "dots", "escaped dots", "weights", "absolute"],
)
def test_nothing_but_pages_below_runs_is_shown(client, store, key):
    store.write("files/x.html", b"hidden")
    store.write("files/md5/ab/cdef.html", b"hidden")
    store.write("runs/model__cells/r1/train_detector/resume.pt", b"hidden")
    answer = client.get(f"/artifacts/{key}")
    assert answer.status_code == 404
    assert "hidden" not in answer.text


def test_a_page_that_is_not_there_yet_says_so(client):
    answer = client.get("/artifacts/runs/a/b/c/<script>.html")
    assert answer.status_code == 404
    assert "appears when the step has finished" in answer.text
    assert "<script>" not in answer.text


@pytest.fixture
def mlflow(monkeypatch):
    """An MLflow that knows the training of run r1, by the REST API's documented answers."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, body))
            known = "runs/model__cells/r1/train_detector" in body.get("filter", "")
            runs = [{"info": {"run_id": "abc", "experiment_id": "7"}}] if known else []
            answer = {"experiments": [{"experiment_id": "7"}]} if "experiments" in self.path else {"runs": runs}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        yield asked
        server.shutdown()


def test_the_mlflow_button_leads_to_the_training_of_this_run(client, mlflow, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_MLFLOW_UI", "https://mlflow.example/")
    answer = client.get("/mlflow/model__cells/r1")
    assert answer.status_code == 307
    assert answer.headers["location"] == "https://mlflow.example/#/experiments/7/runs/abc"
    assert client.get("/mlflow/model__cells/r2").status_code == 404


def test_without_mlflow_there_is_a_sentence_not_a_traceback(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    answer = client.get("/mlflow/model__cells/r1")
    assert answer.status_code == 502
    assert "MLflow does not answer" in answer.text
