"""Webhooks: a labelling service says that something happened, and the watcher of its source looks at once.

    POST /visionloop/webhooks/<source>

Not behind Airflow's login: the service's signature is the login, or, of a service that cannot sign, a secret header; both with
VISIONLOOP_WEBHOOK_SECRET__<SOURCE>. Nothing of a call is believed, kept or logged but that it came: the ledger decides what is
taken in, and a lost call costs a poll interval. No address is locked out, since a flood of forged calls must not keep the
service's own out: each costs the same small work and a bounded place.

    202  genuine; also the same call again, which changes nothing
    400  genuine, but no JSON object       408  its body took too long        413  over 1 MB
    401  anything else: no such source, no secret set here, forged. The caller is not told which; the log and the counts are
    503  the store does not answer: to be sent again
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response

from include.definitions import SourceDefinition, read_definitions
from include.definitions.files import definitions_root
from include.errors import ConfigError
from include.labelling.calls import Outcome
from include.labelling.connector import module_of
from include.labelling.sources import WEBHOOK_SECRET, of_source, webhook_secret
from include.labelling.wakes import wake
from include.storage import Store, open_store
from visionloop_airflow.webhook_bodies import Bodies, TurnedAway
from visionloop_airflow.webhook_calls import CallCounts, Recent

REPLAY_WINDOW_S, REPLAYS_KNOWN = 3600.0, 10_000
WAKE_WITHIN_S = 2.0
LOOK_EVERY_S = 10.0


@cache
def _store(url: str) -> Store:
    return open_store(url)


def store() -> Store:
    return _store(os.environ["VISIONLOOP_STORE"])


class Kinds:
    """Which services the team's sources are of. Looks at their YAML every LOOK_EVERY_S, reads it when a file changed."""

    def __init__(self) -> None:
        self._lock, self._looked_at, self._kinds = threading.Lock(), float("-inf"), dict[str, str]()
        self._stamps: list[tuple[str, int, int]] | None = None

    async def of(self, source: str) -> str | None:
        if not self._is_fresh():
            await asyncio.to_thread(self.look)
        return self._kinds.get(source)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked_at < LOOK_EVERY_S

    def look(self) -> None:
        with self._lock:
            if self._is_fresh():
                return
            files = [(path.name, path.stat()) for path in sorted((definitions_root() / "sources").glob("*.yaml"))]
            stamps = [(name, stat.st_mtime_ns, stat.st_size) for name, stat in files]
            if stamps != self._stamps:
                found = [one for _, one in read_definitions(SourceDefinition) if not isinstance(one, ConfigError)]
                self._kinds, self._stamps = {one.name: one.kind for one in found if one.is_service}, stamps
            self._looked_at = time.monotonic()


class Waker:
    """Writes wakes: of calls that come while one is written, one write more serves all."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="wake")  # its own: a store that hangs holds up nobody else
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._began: dict[str, float] = {}

    async def wake(self, source: str) -> None:
        """Raises TurnedAway if the store does not take it."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.run_in_executor(self._threads, self._write, source, time.monotonic()), WAKE_WITHIN_S)
        except Exception as error:
            why = f"the store does not take the wake: {str(error)[:200] or f'no answer within {WAKE_WITHIN_S:g} s'}"
            raise TurnedAway("failed", HTTPStatus.SERVICE_UNAVAILABLE, why) from error

    def _write(self, source: str, asked_at: float) -> None:
        with self._locks[source]:
            if self._began.get(source, float("-inf")) > asked_at:
                return  # written since, by another call's thread
            began = time.monotonic()
            wake(store(), source)
            self._began[source] = began


class Reception:
    """What one process knows."""

    def __init__(self) -> None:
        self.kinds, self.bodies, self.waker = Kinds(), Bodies(), Waker()
        self.counts, self.recent = CallCounts(store), Recent(REPLAYS_KNOWN, REPLAY_WINDOW_S)

    def warm_up(self) -> None:
        """While the server starts, not while a service waits: read what is declared, and do all that costs most the first time.

        Airflow's metrics are set up at the first one (240 ms), and some stores make room at the first write (200 ms).
        """
        with suppress(Exception):  # a store that is down is told to who calls
            self.kinds.look()
            self.counts.say_ready()

    async def take(self, source: str, kind: str | None, request: Request) -> Outcome:
        """Raises TurnedAway."""
        body = await self.bodies.read(request)  # of a call for no source too: it is answered no sooner
        check_genuine(source, kind, dict(request.headers), body)
        try:
            is_object = isinstance(json.loads(body), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            raise TurnedAway("malformed", HTTPStatus.BAD_REQUEST, "genuine, but its body is no JSON object")
        key = self.recent.key(source, body)
        if self.recent.has(key):
            return "replayed"
        await self.waker.wake(source)
        self.recent.add(key)
        return "accepted"


def check_genuine(source: str, kind: str | None, headers: Mapping[str, str], body: bytes) -> None:
    """Raises TurnedAway, always in the same way."""
    if kind is None:
        raise TurnedAway("unknown", HTTPStatus.UNAUTHORIZED, "include/sources/ has no service by the name that was called")
    secret, variable = webhook_secret(source), of_source(WEBHOOK_SECRET, source)
    if secret is None:
        why = f"every call is refused: {variable} is not set in the environment of Airflow's api-server"
        raise TurnedAway("forged", HTTPStatus.UNAUTHORIZED, why)
    try:
        is_genuine = module_of(kind).Connector.is_genuine(secret, headers, body) is True
    except Exception as error:  # whatever a stranger may have put into the headers
        raise TurnedAway("forged", HTTPStatus.UNAUTHORIZED, f"not signed with {variable} ({type(error).__name__})") from None
    if not is_genuine:
        raise TurnedAway("forged", HTTPStatus.UNAUTHORIZED, f"not signed with {variable}")


app = FastAPI(title="Visionloop webhooks", docs_url=None, redoc_url=None, openapi_url=None)
reception = Reception()
threading.Thread(target=reception.warm_up, daemon=True).start()


@app.post("/{source}")
async def webhook(source: str, request: Request) -> Response:
    """A call from outside."""
    kind = await reception.kinds.of(source)
    try:
        outcome, why, status = await reception.take(source, kind, request), "", HTTPStatus.ACCEPTED
    except TurnedAway as turned:
        outcome, why, status = turned.outcome, str(turned), turned.status
    reception.counts.note(source if kind else None, outcome, why)
    return Response(status_code=status)  # empty: V7 takes a 2xx with a body for a failure
