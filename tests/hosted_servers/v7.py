"""V7 Darwin, as darwin-py 3.6.3 asks it: items by cursor, their annotations, releases as zips."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from tests.hosted_servers.serving import Answer, Files, Request, Service, answer

TEAM, DATASET, DATASET_ID = "e2e-testing", "test-1692", 1692


class V7(Service):
    """`documents`: Darwin JSON by item id. `items`: as the listing has them. `is_sorted`: whether it heeds `sort`."""

    def __init__(self, storage: Files, items: list[dict[str, Any]], documents: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.storage, self.items, self.documents = storage, items, documents
        self.is_sorted = True
        self.page = 2
        self.polls: int | None = 1
        self._exports: list[dict[str, Any]] = []

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"ApiKey {self.token}":
            return answer({"errors": {"code": "INVALID_API_KEY"}}, 401)
        if request.path == "/api/teams/e2e-testing/annotation_classes":
            return answer({"annotation_classes": [{"id": 5, "name": "bbox"}, {"id": 6, "name": "test_poly"}]})
        if not request.path.startswith(f"/api/v2/teams/{TEAM}/"):
            return answer({"errors": {"code": "NOT_FOUND"}}, 404)
        match request.path.removeprefix(f"/api/v2/teams/{TEAM}/").split("/"):
            case ["items"]:
                return self._listed(request)
            case ["items", key]:
                return answer(next(item for item in self.items if item["id"] == key))
            case ["items", key, "annotations"] if key in self.documents:
                return answer(self.documents[key]["annotations"])
            case ["datasets", dataset, "exports"] if dataset == DATASET:
                return self._export(request)
        return answer({"errors": {"code": "NOT_FOUND"}}, 404)

    def _listed(self, request: Request) -> Answer:
        assert request.query["dataset_ids[]"] == str(DATASET_ID)
        rows = self.items
        if self.is_sorted:
            rows = sorted(rows, key=lambda item: item["updated_at"], reverse=request.query["sort[updated_at]"] == "desc")
        rows = self.messy(rows)
        at = int(request.query.get("page[from]", 0))
        after = at + self.page
        return answer({"items": rows[at:after], "page": {"next": str(after) if after < len(rows) else None}})

    def _export(self, request: Request) -> Answer:
        if request.method == "POST":
            assert request.json["format"] == "darwin_json_2"
            assert request.json["include_authorship"] is True
            self._exports.append({"name": request.json["name"], "polls": self.polls})
            return answer({})
        listed = []
        for export in self._exports:
            export["polls"] = export["polls"] and export["polls"] - 1
            is_made = export["polls"] == 0
            url = self.storage.put("/release.zip", self._zip()) if is_made else None
            listed.append({"name": export["name"], "status": "complete" if is_made else "pending", "download_url": url})
        return answer(listed)

    def _zip(self) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(".v7/metadata.json", "{}")
            for item in self.items:
                if item["status"] == "complete":
                    archive.writestr(f"{item['name']}.json", json.dumps(self.documents[item["id"]]))
        return out.getvalue()
