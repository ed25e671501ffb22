"""The bodies of calls from strangers: small, soon, and few at once."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect

from include.labelling.calls import Outcome

BODY_BYTES_MAX = 2**20
BODY_WITHIN_S = 10.0
BODIES_AT_ONCE = 64  # more, and the one that takes longest is given up: slow callers hold neither memory nor the door


class TurnedAway(Exception):
    """A call that changes nothing; `why` is for our log, not for the caller."""

    def __init__(self, outcome: Outcome, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.outcome, self.status = outcome, status


class Bodies:
    """Reads bodies, a bounded number at once."""

    def __init__(self) -> None:
        self._reading: dict[int, asyncio.Timeout] = {}  # the oldest first

    async def read(self, request: Request) -> bytes:
        """Raises TurnedAway for one that is too large, too slow, or breaks off."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN_S) as patience:
                self._reading[id(patience)] = patience
                self._make_room()
                try:
                    self._check_size(int(request.headers.get("content-length") or 0))
                    async for chunk in request.stream():
                        body += chunk
                        self._check_size(len(body))
                finally:
                    self._reading.pop(id(patience), None)
        except TimeoutError:
            raise TurnedAway("malformed", HTTPStatus.REQUEST_TIMEOUT, f"no whole body within {BODY_WITHIN_S:g} s") from None
        except (ClientDisconnect, ValueError):
            raise TurnedAway("malformed", HTTPStatus.BAD_REQUEST, "the body broke off") from None
        return bytes(body)

    def _make_room(self) -> None:
        if len(self._reading) > BODIES_AT_ONCE:
            longest = self._reading.pop(next(iter(self._reading)))
            if not longest.expired():
                longest.reschedule(asyncio.get_running_loop().time())

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > BODY_BYTES_MAX:
            raise TurnedAway("oversized", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {BODY_BYTES_MAX} bytes")
