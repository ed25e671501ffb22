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
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import tenacity

from include.errors import ConfigError, Unavailable

log = logging.getLogger("labelling")
# their lines have whole URLs and redirects in them, and a key may be in the URL
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

ANSWER_BYTES_MAX = 512 * 2**20  # an export of a whole project; more is a mistake or an attack
CONNECTIONS = 8
REDIRECTS = 5
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
# of httpx's errors, those that another try may better: a cut body is among them, an address that is none is not
PASSING = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError, httpx.DecodingError)

T = TypeVar("T")


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
        self.url, self.token, self.patience_s = url.rstrip("/"), token.strip(), patience_s
        self.headers: dict[str, str] = {}
        self.renew: Callable[[], Awaitable[bool]] | None = None  # the connector's: True if it has another token now
        self.requests = 0
        self._origins = {_origin(self.url)}
        limits = httpx.Limits(max_connections=CONNECTIONS)
        self._client = httpx.AsyncClient(timeout=timeout_s, limits=limits, transport=transport, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    def also(self, url: str) -> None:
        """Another address of the same service: it gets the headers too."""
        self._origins.add(_origin(url))

    async def ask(self, method: str, path: str, **words: Any) -> Any:
        """The JSON of an answer. `path`: below the service's URL, or a whole URL; `words`: httpx's params, json, headers …"""
        return await self.take(method, path, parsed, **words)

    async def read(self, path: str, **words: Any) -> bytes:
        """The bytes of an answer; raises FileNotFoundError for 404. From another host the service's headers stay away."""
        return await self.take("GET", path, bytes, **words)

    async def take(self, method: str, path: str, parse: Callable[[bytes], T], **words: Any) -> T:
        """What `parse` makes of the answer's bytes; where it raises AskAgain, the service is asked again."""
        url = path if "://" in path else f"{self.url}/{path.lstrip('/')}"

        async def once() -> T:
            return parse(await self._once(method, url, words))

        return await self.patiently(url, once)

    async def patiently(self, url: str, once: Callable[[], Awaitable[T]]) -> T:
        """What `once` gives, tried again while another try may better it: also for the client that a service brings along."""
        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type((AskAgain, *PASSING)),
                stop=tenacity.stop_before_delay(self.patience_s),
                wait=_wait,
                reraise=True,
                before_sleep=lambda state: _say(shown(url), state),
            ):
                with attempt:
                    return await once()
        except (AskAgain, *PASSING) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(
                f"{shown(url)}: {why}; asked for {self.patience_s:g} s. Is the service up, and `url` right?"
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise FileNotFoundError(f"{shown(url)}: not an address on the web; expected https://…") from None
        except (httpx.LocalProtocolError, UnicodeEncodeError):  # their text shows the header
            raise ConfigError(f"{shown(url)}: the token has letters that no header can have; is it whole, and alone?") from None
        raise AssertionError("tenacity ends with an answer or an error")

    async def _once(self, method: str, url: str, words: dict[str, Any]) -> bytes:
        """Follows redirects: storage hands out signed addresses so, and no header of ours goes along."""
        is_renewed = False
        for _ in range(REDIRECTS + 1):
            is_ours = _origin(url) in self._origins
            extra = words.get("headers", {}) if is_ours else {}
            self.requests += 1
            sent = {**words, "headers": {**(self.headers if is_ours else {}), **extra}}
            async with self._client.stream(method, url, **sent) as answer:
                further = answer.next_request
                if further is None:
                    body = await self._body(answer)
                    if answer.status_code != 401 or not is_ours or is_renewed or self.renew is None or not await self.renew():
                        self.judge(answer, shown(url), body, is_ours)
                        return body
                    is_renewed = True
                    continue
            method, url = further.method, str(further.url)
            if method != "GET" and _origin(url) not in self._origins:
                raise Unavailable(f"{shown(url)}: another host, to which we were sent with our {method}; is `url` right?")
            words = {name: word for name, word in words.items() if name == "headers" or (name != "params" and method != "GET")}
        raise Unavailable(f"{shown(url)}: sent on more than {REDIRECTS} times")

    async def _body(self, answer: httpx.Response) -> bytes:
        found = bytearray()
        async for chunk in answer.aiter_bytes():
            found += chunk
            if len(found) > ANSWER_BYTES_MAX:
                raise Unavailable(f"{shown(str(answer.url))}: answers with over {ANSWER_BYTES_MAX} bytes; ask for less at once")
        return bytes(found)

    def judge(self, answer: httpx.Response, where: str, body: bytes, is_ours: bool) -> None:
        """Raises what an answer that is no success means."""
        code = answer.status_code
        if answer.is_success:
            return
        # what a storage answers may repeat the signature of the address
        said = f"HTTP {code} {self.scrubbed(body[:200].decode(errors='replace').strip())!r}" if is_ours else f"HTTP {code}"
        if code in RETRIED:
            raise AskAgain(said, _retry_after_s(answer))
        if code in (401, 403) and is_ours:
            raise ConfigError(f"{where}: {said}; expected a token that may read this project: is it right, and still valid?")
        if code == 404:
            raise FileNotFoundError(f"{where}: {said}")
        if not is_ours:
            raise Unavailable(f"{where}: {said}")
        raise ConfigError(f"{where}: {said}; is `service` in the source's definition right?")

    def scrubbed(self, text: str) -> str:
        """What a service said, without our secrets in it."""
        secrets = {self.token, quote(self.token, safe=""), *(value for value in self.headers.values() if len(value) >= 8)}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


def shown(url: str) -> str:
    """An address for people: no query and no password, a key may be in them."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def parsed(body: bytes) -> Any:
    """JSON; raises AskAgain: it may have been cut."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AskAgain(f"got {len(body)} bytes that are not JSON ({error})") from None


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


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
    """Never less than asked for, and never nothing at all: some answer `Retry-After: 0` for as long as they are busy."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_s if isinstance(error, AskAgain) else None
    return max(_growing(state), asked or 0.0)


def _say(where: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(
        "%s: try %d: %s; again in %.1f s", where, state.attempt_number, str(error) or type(error).__name__, state.upcoming_sleep
    )
