"""A real Prometheus, a real Alertmanager and our process, with the configuration as it is shipped, down to a chat that listens.

Only addresses are put in, and the waits of minutes shortened. Airflow's health page is played.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.promql import expressions
from tests.receiver import chat

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "include/monitoring"


def free_ports(count):
    import socket

    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def played_airflow():
    """Its health page; `states` may be changed."""
    states = dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({part: {"status": state} for part, state in states.items()}).encode())

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", states
    server.shutdown()
    server.server_close()


class Stack:
    """Starts the three programs; each may be killed and started again."""

    def __init__(self, folder, airflow, room):
        self.folder, self.running = folder, {}
        names = ("monitoring", "statsd", "prometheus", "alertmanager")
        self.ports = dict(zip(names, free_ports(4), strict=True))
        for name in ("prometheus.yaml", "alertmanager.yaml", "rules.yaml"):
            (folder / name).write_text(self._here((CONFIG / name).read_text()))
        port = self.ports
        self.commands = {
            "monitoring": [sys.executable, "-m", "include.monitoring"],
            "prometheus": [
                "prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port['prometheus']}",
            ],
            "alertmanager": [
                "prometheus-alertmanager", "--config.file=alertmanager.yaml", "--cluster.listen-address=",
                "--storage.path=silences", f"--web.listen-address=127.0.0.1:{port['alertmanager']}",
            ],
        }  # fmt: skip
        definitions = folder / "definitions/alerting"
        definitions.mkdir(parents=True)
        (definitions / "oncall.yaml").write_text("owner: us\nurls_in: VISIONLOOP_ALERT_URLS\n")
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT), "VISIONLOOP_STORE": f"file://{folder}/store",
            "VISIONLOOP_DEFINITIONS": str(folder / "definitions"),
            "VISIONLOOP_AIRFLOW_URL": airflow, "MLFLOW_TRACKING_URI": airflow, "VISIONLOOP_ALERT_URLS": room.url,
            "VISIONLOOP_MONITORING_PORT": str(port["monitoring"]), "VISIONLOOP_MONITORING_STATSD_PORT": str(port["statsd"]),
            "VISIONLOOP_WATCHDOG_WITHIN_S": "15",
        }  # fmt: skip

    def _here(self, text):
        for name, public in (
            ("monitoring", "monitoring:9102"),
            ("alertmanager", "alertmanager:9093"),
            ("prometheus", "localhost:9090"),
        ):
            text = text.replace(public, f"127.0.0.1:{self.ports[name]}")
        shorter = {
            "_interval: 15s": "_interval: 1s",
            "group_wait: 30s": "group_wait: 1s",
            "group_interval: 5m": "group_interval: 2s",
        }
        shorter |= {"group_interval: 1m": "group_interval: 2s", "repeat_interval: 1m": "repeat_interval: 2s"}
        shorter |= {f"for: {minutes}m": "for: 1s" for minutes in (1, 2, 5, 10, 15)}
        for long, short in shorter.items():
            text = text.replace(long, short)
        return text

    def start(self, name):
        with open(self.folder / f"{name}.log", "a") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name], cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self, name):
        self.running[name].send_signal(signal.SIGKILL)
        self.running.pop(name).wait()

    def ask(self, path, **params):
        return httpx.get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/{path}", params=params, timeout=60).json()

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))

    def until(self, check, what, within_s=180):
        deadline = time.monotonic() + within_s
        while not (answer := check()):
            assert time.monotonic() < deadline, f"waited {within_s} s for {what}\n{self.logs()}"
            time.sleep(0.3)
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The stack from its start, with a scheduler that is gone and a chat that is down."""
    folder = tmp_path_factory.mktemp("chain")
    with chat() as room, played_airflow() as (url, states):
        states["scheduler"], room.answers = "unhealthy", 503
        stack = Stack(folder, url, room)
        try:
            for name in stack.commands:
                stack.start(name)
            yield stack, room, states
        finally:
            for name in list(stack.running):
                stack.kill(name)


def titles(room):
    return [told["title"] for told in room.told]


def test_an_alert_reaches_people_even_if_the_chat_was_down(world):
    stack, room, _ = world
    stack.until(lambda: "could not be told of" in (stack.folder / "monitoring.log").read_text(), "a try that fails")
    assert titles(room) == []
    room.answers = 200
    stack.until(lambda: "[critical] Airflow's scheduler is gone" in titles(room), "the alert")
    (told,) = [told for told in room.told if "scheduler" in told["title"]]
    assert "Tasks that run go on; nothing new starts." in told["message"]
    assert told["message"].endswith("What to do: docs/on-call.md#scheduler_gone")
    assert not any("Watchdog" in title for title in titles(room))


def test_rules_and_panels_are_evaluated_without_an_error(world):
    stack, *_ = world
    stack.until(lambda: all(rule["health"] != "unknown" for rule in rules(stack)), "all rules to be evaluated")
    assert [(rule["name"], rule.get("lastError")) for rule in rules(stack) if rule["health"] != "ok"] == []
    answers = {where: stack.ask("query", query=text)["status"] for where, text in expressions().items()}
    assert {where: status for where, status in answers.items() if status != "success"} == {}
    targets = {one["labels"]["job"]: one["health"] for one in stack.ask("targets")["data"]["activeTargets"]}
    assert targets == dict.fromkeys(("monitoring", "alertmanager", "prometheus"), "up")


def rules(stack):
    return [rule for group in stack.ask("rules")["data"]["groups"] for rule in group["rules"]]


def test_its_end_is_told_too(world):
    stack, room, states = world
    states["scheduler"] = "healthy"
    stack.until(lambda: "[critical] over: Airflow's scheduler is gone" in titles(room), "the end")


def test_an_alertmanager_that_is_gone_is_told_by_our_process(world):
    stack, room, _ = world
    stack.kill("alertmanager")
    stack.until(lambda: "[error] Prometheus or Alertmanager is silent" in titles(room), "the silence")
    stack.start("alertmanager")
    stack.until(lambda: "[error] over: Prometheus' Watchdog comes again" in titles(room), "the Watchdog")


def test_our_process_killed_loses_no_alert(world):
    stack, room, states = world
    before = len(room.told)
    stack.kill("monitoring")
    stack.until(
        lambda: any(rule["name"] == "MonitoringGone" and rule["state"] == "firing" for rule in rules(stack)), "MonitoringGone"
    )
    states["triggerer"] = "unhealthy"
    stack.start("monitoring")
    stack.until(lambda: "[error] Airflow's triggerer is gone" in titles(room)[before:], "the alert")
    stack.until(
        lambda: any("The monitoring process does not answer" in title for title in titles(room)[before:]), "word of its absence"
    )
