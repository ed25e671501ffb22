"""A local server that answers as Label Studio's tasks API (https://labelstud.io/guide/api), for benchmarks: nothing is slow.

Tests of the connector run against the real one (label_studio_server.py).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.hosted_servers.serving import Answer, Request, Service, answer

Json = dict[str, Any]
CONFIG = {"label": {"type": "RectangleLabels", "to_name": ["image"], "inputs": [{"type": "Image", "value": "image"}]}}


class LabelStudio(Service):
    """One project, number 3. A task is made or changed a minute after the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[int, Json] = {}
        self.files: dict[str, bytes] = {}
        self.now = datetime(2026, 11, 1, tzinfo=UTC)

    def task(self, image: bytes, boxes: list[tuple[float, float, float, float]]) -> None:
        number = len(self.tasks) + 1
        self.files[path := f"/data/upload/3/{number:06d}.png"] = image
        results = [self._result(number, position, box) for position, box in enumerate(boxes)]
        made = {"id": number, "unique_id": f"u{number}", "completed_by": 1, "was_cancelled": False, "ground_truth": False}
        self.tasks[number] = {
            "id": number, "data": {"image": path}, "is_labeled": True, "annotations": [made | {"result": results}], "project": 3,
            "drafts": [], "predictions": [], "updated_by": [{"user_id": 1}], "total_annotations": 1, "cancelled_annotations": 0,
        }  # fmt: skip
        self.touch(number)

    def touch(self, number: int) -> None:
        self.now += timedelta(minutes=1, microseconds=1)
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.tasks[number]["updated_at"] = self.tasks[number]["annotations"][0]["updated_at"] = stamp

    @staticmethod
    def _result(task: int, position: int, box: tuple[float, float, float, float]) -> Json:
        x, y, width, height = box
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["tree"]}
        return {
            "id": f"r{task}-{position}", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value,
            "original_width": 100, "original_height": 100, "image_rotation": 0, "origin": "manual",
        }  # fmt: skip

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Token {self.token}":
            return answer({"detail": "Authentication credentials were not provided."}, 401)
        match request.path:
            case "/api/tasks/":
                return self._page(request.query)
            case "/api/projects/3/":
                return answer({"id": 3, "parsed_label_config": CONFIG})
            case "/api/users/":
                return answer([{"id": 1, "email": "ann@example.com"}])
            case path if path in self.files:
                return answer(self.files[path])
        return answer({"detail": "Not found."}, 404)

    def _page(self, query: dict[str, str]) -> Answer:
        (since, *_) = [one["value"] for one in json.loads(query["query"])["filters"]["items"]] or [""]
        rows = [task for task in self.tasks.values() if task["updated_at"] >= since]
        number, size = int(query["page"]), int(query["page_size"])
        shown = rows[(number - 1) * size : number * size]
        if not shown and number > 1:
            return answer({"detail": "Invalid page."}, 404)
        if query["fields"] == "task_only":
            shown = [{"id": task["id"]} for task in shown]
        return answer({"tasks": shown, "total": len(rows), "total_annotations": len(rows), "total_predictions": 0})
