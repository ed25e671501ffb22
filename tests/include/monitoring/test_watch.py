"""Looks at services that answer, answer oddly, or do not."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from prometheus_client import CollectorRegistry

from include.monitoring.watch import Watch

# as Airflow 3.3.2 answers, a scheduler killed a minute ago
HEALTH = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": "2026-01-01T12:00:00+00:00"},
    "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": "2026-01-01T12:01:00+00:00"},
    "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
}


@contextmanager
def web(status, body):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def watch():
    return Watch()


def value(watch, name, **labels):
    registry = CollectorRegistry()
    registry.register(watch)
    return registry.get_sample_value(f"visionloop_{name}", labels)


def test_each_part_of_airflow_is_healthy_or_not(watch, monkeypatch):
    with web(200, json.dumps(HEALTH).encode()) as url:
        monkeypatch.setenv("VISIONLOOP_AIRFLOW_URL", url)
        watch.look_at_airflow()
    assert value(watch, "up", service="airflow") == 1
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    assert [value(watch, "airflow_component_healthy", component=part) for part in parts] == [1, 0, 1, 0]
    assert value(watch, "airflow_heartbeat_timestamp_seconds", component="scheduler") == 1767268800
    assert value(watch, "airflow_heartbeat_timestamp_seconds", component="dag_processor") is None


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (200, b"<html>"), (200, b"[]"), (None, b"")], ids=["error", "a page", "a list", "nobody"]
)
def test_an_airflow_that_does_not_answer_is_down_and_its_parts_are_not_known(watch, monkeypatch, status, body):
    with web(200, json.dumps(HEALTH).encode()) as url:
        monkeypatch.setenv("VISIONLOOP_AIRFLOW_URL", url)
        watch.look_at_airflow()
    with web(status or 200, body) as url:
        monkeypatch.setenv("VISIONLOOP_AIRFLOW_URL", url if status else "http://127.0.0.1:1")
        watch.look_at_airflow()
    assert value(watch, "up", service="airflow") == 0
    assert value(watch, "airflow_component_healthy", component="triggerer") is None


def test_a_store_that_is_down_is_said_and_its_last_numbers_stay(watch, monkeypatch, tmp_path):
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    watch.look_at_store()
    looked_at = value(watch, "store_looked_at_timestamp_seconds")
    assert value(watch, "up", service="store") == 1
    for name, text in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://bucket")
    watch.look_at_store()
    assert value(watch, "up", service="store") == 0
    assert value(watch, "alerts_waiting") == 0
    assert value(watch, "store_looked_at_timestamp_seconds") == looked_at


def test_services_are_told_apart(watch, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_AIRFLOW_URL", "http://127.0.0.1:1")
    watch.look_at_airflow()
    with web(200, b"OK") as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        watch.look_at_mlflow()
    assert (value(watch, "up", service="airflow"), value(watch, "up", service="mlflow")) == (0, 1)


def test_a_missing_setting_is_a_service_that_does_not_answer(watch, monkeypatch, caplog):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    watch.look_at_mlflow()
    assert value(watch, "up", service="mlflow") == 0
    assert "mlflow does not answer: KeyError: 'MLFLOW_TRACKING_URI'" in caplog.text


def test_the_disk_and_routes_are_looked_at_and_what_is_wrong_is_said_once(watch, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_HOME", str(tmp_path / "only a name in a container"))
    watch.look_around()
    watch.look_around()
    assert value(watch, "alert_route_problems") == 1
    assert caplog.text.count("include/alerting/: got no file") == 1
    assert 0 < value(watch, "disk_free_bytes") < value(watch, "disk_size_bytes")
