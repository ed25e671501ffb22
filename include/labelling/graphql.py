"""GraphQL over `web`: its errors come with HTTP 200, and some of them pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from include.errors import ConfigError
from include.labelling.addresses import shown
from include.labelling.patience import AskAgain
from include.labelling.web import Web, parsed

PASSING_CODES = ("INTERNAL", "UNAVAILABLE", "TIMEOUT", "LIMIT", "TOO_MANY", "429", "500", "502", "503", "504")
PASSING_MESSAGES = ("limit exceeded", "not available server", "too many requests")
REFUSED_CODES = ("UNAUTH", "FORBIDDEN", "401", "403")


async def query(web: Web, path: str, text: str, variables: Mapping[str, Any]) -> Any:
    """`data` of the answer. Raises ConfigError with what the service said."""
    where = path if "://" in path else f"{web.url}/{path.lstrip('/')}"

    def data(body: bytes) -> Any:
        answer = parsed(body)
        if not isinstance(answer, dict) or not (answer.get("errors") or answer.get("error") or "data" in answer):
            raise AskAgain(f"expected GraphQL's `data`, got {body[:80]!r}")
        if errors := answer.get("errors") or answer.get("error"):
            _raise(web, where, errors)
        return answer["data"]

    return await web.take("POST", path, data, json={"query": text, "variables": dict(variables)})


def _raise(web: Web, where: str, errors: Any) -> None:
    found = errors if isinstance(errors, list) else [errors]
    codes = " ".join(str((one.get("extensions") or {}).get("code", "")) for one in found if isinstance(one, dict)).upper()
    said = web.scrubbed("; ".join(_message(one) for one in found))[:300]
    if any(code in codes for code in PASSING_CODES) or any(text in said.lower() for text in PASSING_MESSAGES):
        raise AskAgain(f"{said} {codes}".strip())
    if any(code in codes for code in REFUSED_CODES) or said == "Forbidden":
        raise ConfigError(f"{shown(where)}: {said}; expected a token that may read this project: is it right, and still valid?")
    raise ConfigError(f"{shown(where)}: {said}; is `service` in the source's definition right?")


def _message(error: Any) -> str:
    return str(error.get("message") if isinstance(error, dict) else json.dumps(error))
