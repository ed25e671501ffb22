"""Superb AI's GraphQL, as its SDKs ask it: a filter in a query string, an opaque cursor, bodies behind signed addresses."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from tests.hosted_servers.serving import Answer, Files, Request, Service, answer

TEAM, PROJECT = "forest-team", "5c1d-project"


class SuperbAI(Service):
    """`labels` with `lastLabeledAt`, which is in no answer; `infos`: their bodies by id, where they are not in `result`."""

    def __init__(self, storage: Files, labels: list[dict[str, Any]], infos: dict[str, Any]) -> None:
        super().__init__()
        self.storage, self.labels, self.infos = storage, labels, infos
        self.page = 2

    def answer_to(self, request: Request) -> Answer:
        both = base64.b64encode(f"{TEAM}:{self.token}".encode()).decode()
        if request.headers.get("x-api-key") != self.token or request.headers.get("authorization") != f"Basic {both}":
            return answer({"errors": [{"message": "Unauthorized", "extensions": {"code": "401"}}]})
        assert request.path == "/v2/graphql"
        said, asked = request.json["query"], request.json["variables"]
        if asked["projectId"] != PROJECT:
            return answer({"errors": [{"message": "Request failed with status code 404", "extensions": {"code": "404"}}]})
        name = next(name for name in ("labelsSearch", "labelIDSearch", "labels") if f"{name}(" in said)
        if name == "labels":
            found = [self._edge(label) for label in self.labels if label["id"] == asked["id"]]
            return answer({"data": {name: {"count": len(found), "edges": found}}})
        assert asked["pageSize"] <= (10 if name == "labelsSearch" else 500)
        rows = self.messy([label for label in self.labels if _passes(label, asked["filter"])])
        at = int(asked["cursor"] or 0)
        after = at + self.page
        edges = [self._edge(label) for label in rows[at:after]]
        cursor = str(after) if after < len(rows) else None
        return answer({"data": {name: {"count": len(rows), "edges": edges, "cursor": cursor}}})

    def _edge(self, label: dict[str, Any]) -> dict[str, Any]:
        said = {name: value for name, value in label.items() if name != "lastLabeledAt"}
        if label["id"] in self.infos:
            path = f"/labels/{label['id']}.json"
            said["infoReadPresignedUrl"] = self.storage.put(path, json.dumps(self.infos[label["id"]]).encode())
        return said


def _passes(label: dict[str, Any], asked: str | None) -> bool:
    """Knows only the filters that the SDK writes; compares by whole seconds, UTC."""
    for name, values in parse_qs(asked or "").items():
        assert name == "last_labeled_at_gte"
        since = datetime.strptime(values[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        if datetime.fromisoformat(label["lastLabeledAt"]) < since:
            return False
    return True
