"""A place to look at, and servers that answer as a test says."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.place import Place

Answers = dict[tuple[str, str], tuple[int, Any]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's own stack; what a check sets does not outlive the test."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "VISIONLOOP_", "MLFLOW_", "DOCKER_"))]:
        if name != "VISIONLOOP_VENVS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "K")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    def make(settings: dict[str, str] | None = None, **words: Any) -> Place:
        nowhere = "http://127.0.0.1:9"
        fields: dict[str, Any] = {
            "name": "a stack", "settings": settings or {}, "airflow_url": nowhere, "mlflow_url": nowhere,
            "password": "open sesame", "folder": tmp_path, "airflow": ("false",), "up": "make up",
        }  # fmt: skip
        return Place(**(fields | words))

    return make


@contextmanager
def serving(answers: Answers, date: str | None = None) -> Iterator[str]:
    """An HTTP server that answers (method, path) with a status and JSON, or text; 404 otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, said = answers.get((self.command, self.path.partition("?")[0]), (404, {}))
            body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def date_time_string(self, timestamp: Any = None) -> str:
            return date or super().date_time_string(timestamp)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def states(found: list[Any]) -> dict[str, str]:
    return {one.check: one.state for one in found}
