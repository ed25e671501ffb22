"""SuperAnnotate, as its SDK 4.6.2 asks it: items by offset, annotations as a stream, large ones apart. One server for all."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.hosted_servers.serving import Answer, Request, Service, answer

TEAM, PROJECT = 7, 42


class SuperAnnotate(Service):
    """`annotations` by item id; `large`: ids whose annotations do not come in the stream."""

    token = "owner-secret=7"

    def __init__(self, items: list[dict[str, Any]], annotations: dict[int, dict[str, Any]]) -> None:
        super().__init__()
        self.items, self.annotations = items, annotations
        self.large: set[int] = set()

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") != self.token or request.headers.get("authtype") != "sdk":
            return answer({"error": "Not authorized"}, 401)
        context = json.loads(base64.b64decode(request.headers["x-sa-entity-context"]))
        if context != {"team_id": TEAM, "project_id": PROJECT}:
            return answer({"error": "no such project"}, 404)
        match request.path.split("/")[1:]:
            case ["items_api", "items", "search"]:
                asked = request.json["query"]
                rows = self.messy(self.items)
                page = rows[asked["offset"] : asked["offset"] + asked["limit"]]
                return answer({"data": page, "count": len(rows)})
            case ["items_api", "items", key]:
                return answer({"data": next(item for item in self.items if item["id"] == int(key))})
            case ["assets_api", "items", "annotations", "download"]:
                found = [key for key in request.json["image_ids"] if key in self.annotations and key not in self.large]
                return answer("\\n;)\\n".join(json.dumps(self.annotations[key]) for key in found).encode())
            case ["assets_api", "items", key, "annotations", "download"] if int(key) in self.large:
                return answer(self.annotations[int(key)])
        return answer({"error": "not found"}, 404)
