"""A small HTTP server on loopback: answers as a service documents, goes wrong when told to, remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """`query`: each word with its last value. `headers`: names in small letters."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """`cut`: so many bytes at the end are announced, but never come."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


def answer(said: Any, status: int = 200, **more: Any) -> Answer:
    return Answer(status, said if isinstance(said, bytes) else json.dumps(said).encode(), **more)


class Service:
    """`faults`: given, in turn, instead of the next answers. `token`: what must be shown. `is_messy`: rows twice, shuffled."""

    token = "the-key-of-the-project"

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.faults: list[Answer | None] = []
        self.cuts = 0  # so many of the next answers lose their end
        self.is_messy = False
        self.url = ""

    def answer_to(self, request: Request) -> Answer:
        raise NotImplementedError

    def _answered(self, request: Request) -> Answer:
        self.asked.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault
        said = self.answer_to(request)
        if self.cuts and len(said.body) > 1:
            self.cuts -= 1
            return Answer(said.status, said.body[:-1], said.headers, cut=1)
        return said

    def messy(self, rows: list[Any]) -> list[Any]:
        return [*reversed(rows), *rows[:2]] if self.is_messy else rows


class Files(Service):
    """Storage on another host, with signed addresses. It must never see a key of the service."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> str:
        self.files[path] = data
        return f"{self.url}{path}?X-Signature=signed-for-one-hour"

    def answer_to(self, request: Request) -> Answer:
        if request.query.get("X-Signature") != "signed-for-one-hour":
            return answer(b"<Error>SignatureDoesNotMatch signed-for-one-hour</Error>", 403)
        return answer(self.files[request.path]) if request.path in self.files else answer(b"<Error>NoSuchKey</Error>", 404)


S = TypeVar("S", bound=Service)


@contextmanager
def serving(service: S) -> Iterator[S]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            words = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = service._answered(Request(self.command, parts.path, words, headers, body))
            self.send_response(said.status)
            for name, value in {"content-length": str(len(said.body) + said.cut), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PUT = do_PATCH = _any

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
