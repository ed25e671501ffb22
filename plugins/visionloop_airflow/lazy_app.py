"""An ASGI app that is imported when it is first asked: Airflow's security module costs 1.4 s in every process that loads
plugins, and only the web server needs it.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class LazyApp:
    """Stands for the `app` of a module."""

    def __init__(self, module: str) -> None:
        self.module = module

    @cached_property
    def app(self) -> Any:
        return importlib.import_module(self.module).app

    def early(self, server: Any) -> Any:
        """As a middleware of the web server, which is made when it starts: has this app imported meanwhile. Adds no layer."""
        threading.Thread(target=lambda: self.app, daemon=True).start()
        return server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
