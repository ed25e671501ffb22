"""Airflow's StatsD client ([metrics] statsd_custom_client_path), for a receiver that may come late or move.

The stock client looks the receiver's name up once, and Airflow gives metrics up for good where that fails.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from statsd import StatsClient

LOOK_UP_EVERY_S = 60.0


class StatsdClient(StatsClient):  # type: ignore[misc]  # statsd ships no types
    """Looks the name up when it first sends, and once a minute; what cannot be sent is lost, as UDP has it."""

    def __init__(
        self, host: str = "localhost", port: int = 8125, prefix: str | None = None, ipv6: bool = False, **options: Any
    ) -> None:
        super().__init__("::1" if ipv6 else "127.0.0.1", port, prefix, ipv6=ipv6, **options)
        self._sock.setblocking(False)
        self._name, self._looked_up_at, self._found = (host, port), float("-inf"), False

    def _look_up(self) -> None:
        self._looked_up_at = time.monotonic()
        try:
            self._addr = socket.getaddrinfo(*self._name, self._sock.family, socket.SOCK_DGRAM)[0][4]
            self._found = True
        except OSError:
            return  # not there yet, or not now: the last address may still be right

    def _send(self, data: str) -> None:
        if time.monotonic() - self._looked_up_at > LOOK_UP_EVERY_S:
            self._look_up()
        if self._found:
            super()._send(data)
