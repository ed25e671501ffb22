"""CVAT's documented REST API, through the low-level client of the official SDK, asked with the patience of `web`.

The answers' JSON is read as it came, not through the SDK's models: those are of one server version each, and slow. `ApiClient`
does not compare versions, so a server of another version is met without a warning.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx

from include.labelling.patience import AskAgain
from include.labelling.web import Web, parsed

if TYPE_CHECKING:
    from cvat_sdk.api_client import ApiClient

TIMEOUT_S = 60
PAGE = 500
RAW = {"_parse_response": False, "_check_status": False, "_request_timeout": TIMEOUT_S}


def authorization(token: str) -> str:
    """How the server knows us: `user:password`, the 40 hexadecimal digits of /api/auth/login, or a personal access token."""
    if ":" in token:
        return f"Basic {base64.b64encode(token.encode()).decode()}"
    return f"Token {token}" if re.fullmatch(r"[0-9a-f]{40}", token) else f"Bearer {token}"


def in_organization(job: dict[str, Any]) -> dict[str, Any]:
    """The words of a listing of what belongs to a job: without the organization's number, some servers list nothing of it."""
    scope = {"job_id": job["id"], "page_size": PAGE}
    return scope if job.get("organization") is None else scope | {"org_id": job["organization"]}


class Api:
    """One CVAT server."""

    def __init__(self, web: Web) -> None:
        self.web = web
        web.headers["Authorization"] = authorization(web.token)

    @cached_property
    def _client(self) -> ApiClient:
        import urllib3
        from cvat_sdk.api_client import ApiClient, Configuration

        configuration = Configuration(host=self.web.url)
        # `web` asks again, and says so; redirects stay with urllib3, which takes our header off for another host
        configuration.retries = urllib3.Retry(
            total=None, connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False
        )
        return ApiClient(configuration, headers=dict(self.web.headers))

    async def ask(self, path: str, call: Callable[[ApiClient], Any]) -> tuple[Any, bytes]:
        """The JSON of an answer, and its bytes. `call`: a call of the SDK with RAW in it; `path`: what errors say."""

        async def once() -> tuple[Any, bytes]:
            self.web.requests += 1
            body = await asyncio.to_thread(self.body, path, call)
            return parsed(body), body

        found: tuple[Any, bytes] = await self.web.patiently(f"{self.web.url}/{path}", once)
        return found

    def body(self, path: str, call: Callable[[ApiClient], Any]) -> bytes:
        """One call, on a thread of its own. Raises AskAgain where another may do better."""
        import urllib3
        from cvat_sdk.api_client.exceptions import ApiException

        try:
            _, response = call(self._client)
            body: bytes = response.data
        except (urllib3.exceptions.HTTPError, ApiException) as error:  # no answer, or one that was cut short
            raise AskAgain(f"{path}: {type(error).__name__}") from None
        kept = {"retry-after": response.headers["Retry-After"]} if "Retry-After" in response.headers else {}
        self.web.judge(httpx.Response(response.status, headers=kept), f"{self.web.url}/{path}", body, is_ours=True)
        return body

    async def every(self, path: str, call: Callable[[ApiClient, int], Any]) -> tuple[list[Any], bytes]:
        """All rows of a listing of few pages, and the bytes of the first."""
        rows: list[Any] = []
        number, first = 1, b""
        while True:
            answer, body = await self.ask(path, lambda client, page=number: call(client, page))  # type: ignore[misc]
            rows, first, number = [*rows, *answer["results"]], first or body, number + 1
            if not answer.get("next"):
                return rows, first
