"""A labelling service over HTTP: asked again where that helps, never shown a secret of another, never logged with its query.

Asked again: no answer, a body cut short, JSON that ends early, 429 (after its Retry-After) and 5xx; with growing, random waits,
until `patience_s` is over. A host that stayed silent for so long has one try at a time from then on, until it answers; after
SILENCES of them it is asked once a minute, and all else that lies there fails at once: thousands of pictures may. 401 is asked
again once if the connector can renew its token.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from include.errors import ConfigError, Unavailable
from include.labelling.addresses import origin, shown
from include.labelling.patience import PASSING, RETRIED, AskAgain, asking, retry_after_s

# their lines have whole URLs and redirects in them, and a key may be in the URL
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

ANSWER_BYTES_MAX = 512 * 2**20  # an export of a whole project; more is a mistake or an attack
LIMITS = httpx.Limits(max_connections=8)
REDIRECTS = 5
SILENCES, LOOK_AGAIN_S = 3, 60.0
NO_ADDRESS = "not an address on the web; expected https://…"

T = TypeVar("T")
Origin = tuple[str, str, int | None] | None


class Declined(ConfigError):
    """The service does not do what it was asked (400, 405, 409 …): with other words, or for another item, it would."""


class Web:
    """One service, as one source asks it. `token`: the source's secret. `headers`: the connector's, for the service alone."""

    def __init__(
        self, url: str, token: str, *, patience_s: float = 180, timeout_s: float = 30,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self.url, self.token, self.patience_s = url.rstrip("/"), token.strip(), patience_s
        self.headers: dict[str, str] = {}
        self.renew: Callable[[], Awaitable[bool]] | None = None  # the connector's: True if it has another token now
        self.requests = 0
        self._origins = {origin(self.url)}
        self._silent: dict[Origin, tuple[int, float]] = {}  # how often in turn, for all our patience, and when it was asked last
        self._client = httpx.AsyncClient(timeout=timeout_s, limits=LIMITS, transport=transport, verify=_trust())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    def also(self, url: str) -> None:
        """Another address of the same service: it gets the headers too."""
        self._origins.add(origin(url))

    async def ask(self, method: str, path: str, **words: Any) -> Any:
        """The JSON of an answer. `path`: below the service's URL, or a whole URL; `words`: httpx's params, json, headers …"""
        return await self.take(method, path, parsed, **words)

    async def read(self, path: str, **words: Any) -> bytes:
        """The bytes of an answer; raises FileNotFoundError for 404. From another host the service's headers stay away."""
        return await self.take("GET", path, bytes, **words)

    async def take(self, method: str, path: str, parse: Callable[[bytes], T], **words: Any) -> T:
        """What `parse` makes of the answer's bytes; where it raises AskAgain, the service is asked again."""
        url = path if "://" in path else f"{self.url}/{path.lstrip('/')}"
        if origin(url) is None:
            raise FileNotFoundError(NO_ADDRESS)

        async def once() -> T:
            return parse(await self._once(method, url, words))

        return await self.patiently(url, once)

    async def once(self, method: str, path: str, **words: Any) -> Any:
        """The JSON of an answer, asked for one time: for what must not be done twice. Raises AskAgain, for `patiently`."""
        return parsed(await self._once(method, f"{self.url}/{path.lstrip('/')}", words))

    async def patiently(self, url: str, once: Callable[[], Awaitable[T]]) -> T:
        """What `once` gives, tried again while another try may better it: also for the client that a service brings along."""
        host = origin(url)
        silences, asked_at = self._silent.get(host, (0, 0.0))
        patience_s = 0 if silences else self.patience_s
        if silences >= SILENCES:
            if (now := time.monotonic()) - asked_at < LOOK_AGAIN_S:
                raise Unavailable(f"{shown(url)}: not asked: its host was silent {silences} times in turn")
            self._silent[host] = (silences, now)  # ours is the one try; the others need not wait for it
        try:
            async for attempt in asking(shown(url), patience_s):
                with attempt:
                    found = await once()
                    self._silent.pop(host, None)
                    return found
        except (AskAgain, *PASSING) as error:
            self._silent[host] = (self._silent.get(host, (0, 0.0))[0] + 1, time.monotonic())
            why = str(error) or type(error).__name__
            raise Unavailable(f"{shown(url)}: {why}; asked for {patience_s:g} s. Is the service up, and `url` right?") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise FileNotFoundError(f"{shown(url)}: {NO_ADDRESS}") from None
        except (httpx.LocalProtocolError, UnicodeEncodeError):  # their text shows the header
            raise ConfigError(f"{shown(url)}: the token has letters that no header can have; is it whole, and alone?") from None
        raise AssertionError("tenacity ends with an answer or an error")

    async def _once(self, method: str, url: str, words: dict[str, Any]) -> bytes:
        """Follows redirects: storage hands out signed addresses so, and no header of ours goes along."""
        is_renewed = False
        for _ in range(REDIRECTS + 1):
            is_ours = origin(url) in self._origins
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
            if method != "GET" and origin(url) not in self._origins:
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
            raise AskAgain(said, retry_after_s(answer.headers.get("retry-after", "")))
        if code in (401, 403) and is_ours:
            raise ConfigError(f"{where}: {said}; expected a token that may read this project: is it right, and still valid?")
        if code == 404:
            raise FileNotFoundError(f"{where}: {said}")
        if not is_ours:
            raise Unavailable(f"{where}: {said}")
        raise Declined(f"{where}: {said}; is `service` in the source's definition right?")

    def scrubbed(self, text: str) -> str:
        """What a service said, without our secrets in it."""
        secrets = {self.token, quote(self.token, safe=""), *(value for value in self.headers.values() if len(value) >= 8)}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


@cache
def _trust() -> ssl.SSLContext:
    """Read once: 40 ms of certificates, and a source is polled every minute."""
    return httpx.create_ssl_context()


def parsed(body: bytes) -> Any:
    """JSON; raises AskAgain: it may have been cut."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AskAgain(f"got {len(body)} bytes that are not JSON ({error})") from None
