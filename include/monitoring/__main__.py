"""Metrics for Prometheus, and its alerts on their way to people: `python -m include.monitoring`.

Listens  StatsD, UDP 9125 (VISIONLOOP_MONITORING_STATSD_PORT): what Airflow counts and measures
         HTTP, 9102 (VISIONLOOP_MONITORING_PORT): GET /metrics, GET /healthz, POST /alerts (Alertmanager's webhook)
         on VISIONLOOP_MONITORING_HOST, 127.0.0.1 by default; neither has a login
Reads    VISIONLOOP_STORE, VISIONLOOP_AIRFLOW_URL, MLFLOW_TRACKING_URI; include/alerting/ and what that names

It stands outside of Airflow and needs none of it, so it can tell that Airflow is down.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import Body, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

from include.monitoring.relay import Relay
from include.monitoring.statsd import Statsd
from include.monitoring.watch import Watch

BUFFER_BYTES = 4 * 2**20  # the end of a large run is a burst
CHECK_EVERY_S = 15.0
registry = CollectorRegistry()
statsd, watch, relay = Statsd(), Watch(), Relay(registry)


class Listener(asyncio.DatagramProtocol):
    """Hands over what comes."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        statsd.hear(data)


def udp(host: str, port: int) -> socket.socket:
    """Raises OSError where the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    listening.setblocking(False)
    listening.bind((host, port))
    return listening


def mind_the_watchdog() -> None:
    while True:
        relay.look(time.time())
        time.sleep(CHECK_EVERY_S)


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    registry.register(statsd)
    registry.register(watch)
    ProcessCollector(registry=registry)
    listening, _ = await asyncio.get_running_loop().create_datagram_endpoint(Listener, sock=app.state.udp)
    watch.start()
    threading.Thread(target=mind_the_watchdog, daemon=True).start()
    yield
    listening.close()


app = FastAPI(title="Visionloop monitoring", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@app.get("/healthz")
async def healthz() -> Response:
    return Response("ok")


@app.post("/alerts")
def take_alerts(message: dict[str, Any] = Body(...)) -> Response:  # noqa: B008 - FastAPI's way
    """503: somebody was not told; Alertmanager tries again. 422: no message of Alertmanager's."""
    try:
        told = relay.take(message)
    except (KeyError, TypeError, IndexError):
        return Response("no message of Alertmanager's webhook, version 4", status_code=422)
    return Response(status_code=200 if told else 503)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    for chatty in ("httpx", "apprise"):  # their lines have addresses, which hold tokens
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    host = os.environ.get("VISIONLOOP_MONITORING_HOST", "127.0.0.1")
    port = int(os.environ.get("VISIONLOOP_MONITORING_PORT") or 9102)
    statsd_port = int(os.environ.get("VISIONLOOP_MONITORING_STATSD_PORT") or 9125)
    try:
        app.state.udp = udp(host, statsd_port)
    except OSError as error:
        logging.error("UDP %s:%d: %s; end what listens there, or set VISIONLOOP_MONITORING_STATSD_PORT", host, statsd_port, error)
        return 1
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
