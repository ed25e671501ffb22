"""A labelling service over HTTP: asked again where that helps, never shown a secret of another, never logged with its query.

Asked again: no answer, a body cut short, JSON that ends early, 429 (after its Retry-After) and 5xx; with growing, random waits,
until `patience_s` is over. 401 is asked again once if the connector can renew its token.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import tenacity

from include.errors import ConfigError, Unavailable

log = logging.getLogger("labelling")
# its lines have whole URLs in them, and with some services the key is in the URL
logging.getLogger("httpx").setLevel(logging.WARNING)

ANSWER_BYTES_MAX = 512 * 2**20  # an export of a whole project; more is a mistake or an attack
CONNECTIONS = 8
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class AskAgain(Exception):
    """An answer that another try may better. `after_s`: as the service asked."""

    def __init__(self, said: str, after_s: float | None = None) -> None:
        super().__init__(said)
        self.after_s = after_s


class Web:
    """One service, as one source asks it. `token`: the source's secret. `headers`: the connector's, for the service alone."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience_s: float = 180,
        timeout_s: float = 30,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url, self.token, self.patience_s = url.rstrip("/"), token, patience_s
        self.headers: dict[str, str] = {}
        self.renew: Callable[[], Awaitable[bool]] | None = None  # the connector's: True if it has another token now
        self.requests = 0
        limits = httpx.Limits(max_connections=CONNECTIONS)
        self._client = httpx.AsyncClient(timeout=timeout_s, limits=limits, transport=transport, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, **words: Any) -> Any:
        """The JSON of an answer. `path`: below the service's URL, or a whole URL; `words`: httpx's params, json, headers …"""
        return await self.patiently(path, lambda: self._once(method, path, True, words))

    async def read(self, path: str, **words: Any) -> bytes:
        """The bytes of an answer; raises FileNotFoundError for 404. From another host the service's headers stay away."""
        data: bytes = await self.patiently(path, lambda: self._once("GET", path, False, words))
        return data

    async def patiently(self, path: str, once: Callable[[], Awaitable[Any]]) -> Any:
        """What `once` gives, asked again while it raises AskAgain: for clients that a service brings along, too."""
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type((AskAgain, httpx.TransportError)),
                stop=tenacity.stop_before_delay(self.patience_s),
                wait=_wait,
                reraise=True,
                before_sleep=_say,
            ):
                with attempt:
                    return await once()
        except (AskAgain, httpx.TransportError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(
                f"{self._shown(path)}: {why}; asked for {self.patience_s:g} s. Is the service up, and `url` right?"
            ) from None
        raise AssertionError("tenacity ends with an answer or an error")

    async def _once(self, method: str, path: str, is_json: bool, words: dict[str, Any], is_renewed: bool = False) -> Any:
        url = path if "://" in path else f"{self.url}/{path.lstrip('/')}"
        is_ours = _origin(url) == _origin(self.url)
        own = self.headers if is_ours else {}
        extra = words.get("headers", {}) if is_ours else {}
        self.requests += 1
        sent = {**words, "headers": {**own, **extra}}
        async with self._client.stream(method, url, **sent) as answer:
            if answer.is_redirect and answer.next_request is not None:
                further = str(answer.next_request.url)
            else:
                body = await self._body(answer)
                if answer.status_code == 401 and is_ours and not is_renewed and self.renew is not None and await self.renew():
                    return await self._once(method, path, is_json, words, is_renewed=True)
                self.judge(answer, path, body, is_ours)
                return parsed(body) if is_json else body
        # storage hands out signed addresses by redirect: no header of ours goes along
        return await self._redirected(further, is_json)

    async def _redirected(self, url: str, is_json: bool) -> Any:
        answer = await self._client.get(url, follow_redirects=True)
        self.judge(answer, url, answer.content, is_ours=False)
        return parsed(answer.content) if is_json else answer.content

    async def _body(self, answer: httpx.Response) -> bytes:
        found = bytearray()
        async for chunk in answer.aiter_bytes():
            found += chunk
            if len(found) > ANSWER_BYTES_MAX:
                raise Unavailable(
                    f"{self._shown(str(answer.url))}: answers with over {ANSWER_BYTES_MAX} bytes; ask for less at once"
                )
        return bytes(found)

    def judge(self, answer: httpx.Response, path: str, body: bytes, is_ours: bool) -> None:
        """Raises what an answer that is no success means."""
        code = answer.status_code
        if answer.is_success:
            return
        said = f"{self._shown(path)}: HTTP {code} {body[:200].decode(errors='replace').strip()!r}"
        if code in RETRIED:
            raise AskAgain(said, _retry_after_s(answer))
        if code in (401, 403) and is_ours:
            raise ConfigError(f"{said}; expected a token that may read this project: is it right, and still valid?")
        if code == 404:
            raise FileNotFoundError(said)
        raise Unavailable(said) if not is_ours else ConfigError(f"{said}; is `service` in the source's definition right?")

    def _shown(self, path: str) -> str:
        """Without the query: a key may be in it."""
        return (path if "://" in path else f"{self.url}/{path.lstrip('/')}").partition("?")[0]


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def parsed(body: bytes) -> Any:
    """Raises AskAgain."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise AskAgain(f"got {len(body)} bytes that are not JSON ({error})") from None


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds, or a date; None where there is neither."""
    text = answer.headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


_growing = tenacity.wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_s if isinstance(error, AskAgain) else None
    return _growing(state) if asked is None else asked


def _say(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("try %d: %s; again in %.1f s", state.attempt_number, error or type(error).__name__, state.upcoming_sleep)
