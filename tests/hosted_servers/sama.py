"""Sama's API v2, as its SDK 0.5.12 asks it: the key in the query, pages by number, tasks that can be rejected."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.hosted_servers.serving import Answer, Request, Service, answer

PROJECT = 117


class Sama(Service):
    """`tasks` with their `state`; `rejected`: the reasons by task id. `page`: never more than this, whatever is asked for."""

    def __init__(self, tasks: list[dict[str, Any]]) -> None:
        super().__init__()
        self.tasks = tasks
        self.rejected: dict[str, list[str]] = {}

    def answer_to(self, request: Request) -> Answer:
        if request.query.get("access_key") != self.token:
            return answer({"error": f"invalid access_key {request.query.get('access_key')}"}, 401)
        match request.path.split("/")[1:]:
            case ["v2", "projects", "117", "tasks", "delivered.json"]:
                rows = [{k: v for k, v in task.items()} for task in self.tasks if task["state"] in ("delivered", "acknowledged")]
                return self._page(rows, request)
            case ["v2", "projects", "117", "tasks.json"]:
                rows = [task for task in self.tasks if request.query.get("state") in (None, task["state"])]
                if request.query["omit_answers"] == "true":
                    rows = [{name: value for name, value in task.items() if name != "answers"} for task in rows]
                return self._page(rows, request)
            case ["v2", "projects", "117", "tasks", key, "reject.json"] if request.method == "PUT":
                self.rejected[key] = request.json["reasons"]
                return answer({"status": "ok"})
            case ["v2", "projects", "117", "tasks", name]:
                return answer({"task": next(task for task in self.tasks if f"{task['id']}.json" == name)})
        return answer({"error": "not found"}, 404)

    def _page(self, rows: list[dict[str, Any]], request: Request) -> Answer:
        if "from" in request.query:
            since = datetime.fromisoformat(request.query["from"])
            rows = [row for row in rows if _delivered(row) >= since]
        rows = self.messy(rows)
        size = int(request.query["page_size"])
        at = (int(request.query["page"]) - 1) * size
        return answer({"tasks": rows[at : at + size]})


def _delivered(task: dict[str, Any]) -> datetime:
    at = datetime.fromisoformat(task.get("delivered_at") or task["created_at"])
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
