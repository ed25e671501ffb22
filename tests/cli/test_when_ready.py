import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cli.when_ready import answers


class Server(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_): ...


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Server, "status", 503)
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (404, True), (503, False)])
def test_any_answer_below_500_is_one(server, monkeypatch, status, ready):
    monkeypatch.setattr(Server, "status", status)
    assert answers(server) is ready


def test_the_command_starts_when_the_server_serves_and_is_the_process_that_was_started(server, monkeypatch):
    own_pid = [sys.executable, "-c", "import os; print(os.getpid())"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.when_ready", server, "--", *own_pid], stdout=subprocess.PIPE, text=True
    )
    time.sleep(3)
    assert process.poll() is None
    monkeypatch.setattr(Server, "status", 200)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, int(said)) == (0, process.pid)  # supervisord signals what it started
