"""Labelbox's GraphQL, as its SDK 7.17.0 uses it: an export task, its state, its bytes in pieces behind signed addresses."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.hosted_servers.serving import Answer, Files, Request, Service, answer

PROJECT = "clur-project"


class Labelbox(Service):
    """`rows`: of the project. `polls`: how often a task is in progress before it is complete; None: for ever."""

    def __init__(self, storage: Files, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.storage, self.rows = storage, rows
        self.polls: int | None = 1
        self.lines_a_piece = 2
        self._tasks: dict[str, dict[str, Any]] = {}

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return answer({"errors": [{"message": "Invalid API key", "extensions": {"code": "UNAUTHENTICATED"}}]}, 401)
        said = request.json
        if "exportDataRowsInProject" in said["query"]:
            return self._create(said["variables"]["input"])
        task = self._tasks[said["variables"]["where"]["id"]]
        if "exportMetadataHeader" in said["query"]:
            size = len(task["bytes"])
            header = {"totalSize": size, "totalLines": task["bytes"].count(b"\n")} if size else None
            return answer({"data": {"task": {"exportMetadataHeader": header}}})
        if "exportFileFromOffset" in said["query"]:
            return self._piece(task, int(said["variables"]["offset"]))
        task["polls"] = task["polls"] and task["polls"] - 1
        return answer({"data": {"task": {"status": "COMPLETE" if task["polls"] == 0 else "IN_PROGRESS"}}})

    def _create(self, asked: dict[str, Any]) -> Answer:
        if asked["filters"]["projectId"] != PROJECT:
            return answer(
                {"errors": [{"message": "Project not found", "extensions": {"code": "RESOURCE_NOT_FOUND"}}], "data": None}
            )
        rows = self.rows
        for one in asked["filters"]["searchQuery"]["query"]:
            if one["type"] == "data_row_id":
                rows = [row for row in rows if row["data_row"]["id"] in one["ids"]]
            else:
                assert one["type"] == "data_row_last_activity_at"
                assert one["value"]["operator"] == "GREATER_THAN_OR_EQUAL"
                # Labelbox reads the time and drops its offset
                since = datetime.strptime(one["value"]["value"][:19], "%Y-%m-%dT%H:%M:%S")
                rows = [row for row in rows if _last(row) >= since]
        data = "".join(json.dumps(row) + "\n" for row in self.messy(rows)).encode()
        key = f"task-{len(self._tasks)}"
        self._tasks[key] = {"bytes": data, "polls": None if self.polls is None else self.polls + 1}
        return answer({"data": {"exportDataRowsInProject": {"taskId": key, "isStreamable": True}}})

    def _piece(self, task: dict[str, Any], offset: int) -> Answer:
        lines = task["bytes"][offset:].splitlines(keepends=True)[: self.lines_a_piece]
        data = b"".join(lines)
        first = task["bytes"][:offset].count(b"\n")
        piece = {
            "offsets": {"start": offset, "end": offset + len(data) - 1},
            "lines": {"start": first, "end": first + len(lines) - 1},
            "file": self.storage.put(f"/exports/{offset}", data),
        }
        return answer({"data": {"task": {"exportFileFromOffset": piece}}})


def _last(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["data_row"]["details"]["last_activity_at"]).replace(tzinfo=None, microsecond=0)
