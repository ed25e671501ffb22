"""A chat on loopback that takes alerts, as Apprise's json:// sends them; or is down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Chat:
    """What it was told, in order. `answers`: the status of its answers."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.answers = 200
        self.url = ""


@contextmanager
def chat(host: str = "127.0.0.1") -> Iterator[Chat]:
    """Listens until the block ends; on the engine's bridge, containers can tell it."""
    room = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if room.answers == 200:
                room.told.append(said)
            self.send_response(room.answers)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((host, 0), Handler)
    room.url = f"json://{host}:{server.server_port}/"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield room
    finally:
        server.shutdown()
        server.server_close()
