"""A labelling service that calls: a kind of source whose signature is a plain HMAC, and the real app under a real server."""

from __future__ import annotations

import hashlib
import hmac
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from include.labelling.connector import ServiceSettings

SECRET = "a secret of thirty-two characters"
YAML = "kind: sama\nowner: ada\nservice: {url: https://sama.example}\n"


class Signing:
    signed: ClassVar[bool] = True

    @staticmethod
    def is_genuine(secret: bytes, headers: Any, body: bytes) -> bool:
        return hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest(), headers.get("x-signature", ""))


class Settings(ServiceSettings):
    """Nothing of its own."""


def register(monkeypatch: Any) -> None:
    """As the kind `sama`, whatever there is by that name."""
    monkeypatch.setitem(sys.modules, "include.labelling.sama.connector", SimpleNamespace(Settings=Settings, Connector=Signing))


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@contextmanager
def served() -> Iterator[str]:
    """The plugin's apps, mounted in its order as Airflow does; yields the address."""
    from visionloop_plugin import VisionloopPlugin

    routes = [Mount(one["url_prefix"], one["app"]) for one in VisionloopPlugin.fastapi_apps]
    early = [Middleware(one["middleware"]) for one in VisionloopPlugin.fastapi_root_middlewares]
    app = Starlette(routes=routes, middleware=early)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
