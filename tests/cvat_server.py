"""A local server that answers as CVAT 2.73 documents (https://docs.cvat.ai/docs/api_sdk/), for tests and benchmarks.

    with serving(Cvat()) as cvat:
        job = cvat.job(shapes=[…])
        cvat.change(job, state="completed", stage="acceptance")

As the real one it leaves out what it does not know of a question, lists the newest job first unless told, and shows comments of
an organization's jobs only to who names the organization.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.hosted_servers.serving import Answer, Request, Service, answer

Json = dict[str, Any]
PAGE_SIZE = 10
LABELS: list[Json] = [
    {"id": 7, "name": "tree", "color": "#00ff00", "type": "any", "sublabels": [], "has_parent": False,
     "attributes": [{"id": 70, "name": "species", "mutable": False, "input_type": "select", "values": ["oak", "ash"]}]},
    {"id": 8, "name": "shrub", "color": "#0000ff", "type": "any", "sublabels": [], "has_parent": False, "attributes": []},
]  # fmt: skip


class Cvat(Service):
    """One project, number 3. `secrets`: the Authorization headers that are let in. `on_page`: called after each page of jobs."""

    def __init__(self) -> None:
        super().__init__()
        basic = base64.b64encode(b"ann:secret").decode()
        self.secrets = {"Bearer pat.secret", f"Token {'ab' * 20}", f"Basic {basic}"}
        self.jobs: dict[int, Json] = {}
        self.drawn: dict[int, Json] = {}
        self.meta: dict[int, Json] = {}
        self.labels = LABELS
        self.files: dict[tuple[int, int], bytes] = {}
        self.issues: dict[int, Json] = {}
        self.comments: dict[int, Json] = {}
        self.now = datetime(2026, 11, 21, 5, tzinfo=UTC)
        self.knows_filters = True
        self.on_page: Callable[[], None] = lambda: None

    def job(self, names: tuple[str, ...] = ("a.png",), start: int = 0, **said: Any) -> int:
        """A new one; its number. `said`: of the job, or `shapes`, `tags`, `tracks`."""
        number = len(self.jobs) + 1
        drawn = {kind: said.pop(kind, []) for kind in ("tags", "shapes", "tracks")}
        task = said.pop("task_id", number)
        self.jobs[number] = {
            "url": f"{self.url}/api/jobs/{number}", "id": number, "task_id": task, "project_id": 3, "type": "annotation",
            "assignee": {"url": f"{self.url}/api/users/2", "id": 2, "username": "ann", "first_name": "", "last_name": ""},
            "guide_id": None, "dimension": "2d", "bug_tracker": "", "status": "annotation", "stage": "annotation", "state": "new",
            "mode": "annotation", "frame_count": len(names), "start_frame": start, "stop_frame": start + len(names) - 1,
            "data_chunk_size": 72, "data_compressed_chunk_type": "imageset", "data_original_chunk_type": "imageset",
            "created_date": self._stamp(), "updated_date": self._stamp(), "organization": None, "parent_job_id": None,
            "issues": {"url": "", "count": 0}, "labels": {"url": ""}, **said,
        }  # fmt: skip
        self.drawn[number] = {"version": 0, **drawn}
        self.meta[number] = {
            "chunks_updated_date": self._stamp(), "chunk_size": 72, "size": len(names), "image_quality": 70, "start_frame": start,
            "stop_frame": start + len(names) - 1, "frame_filter": "", "deleted_frames": [], "included_frames": None,
            "storage": "local", "storage_method": "cache", "cloud_storage_id": None,
            "frames": [{"name": name, "width": 200, "height": 100, "related_files": 0} for name in names],
        }  # fmt: skip
        return number

    def change(self, job: int, **said: Any) -> None:
        """Of the job, or `shapes`, `tags`, `tracks`; its time moves on."""
        for name, value in said.items():
            (self.drawn if name in self.drawn[job] else self.jobs)[job][name] = value
        self.jobs[job]["updated_date"] = self._stamp()

    def delete(self, job: int) -> None:
        for held in (self.jobs, self.drawn, self.meta):
            del held[job]

    def _stamp(self) -> str:
        self.now += timedelta(seconds=1, microseconds=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") not in self.secrets:
            return answer({"detail": "Authentication credentials were not provided."}, 401)
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "GET", ["jobs"]:
                said = self._page(request, list(self.jobs.values()))
                self.on_page()
                return said
            case _, ["jobs", number, *rest]:
                if int(number) not in self.jobs:
                    return answer({"detail": "No Job matches the given query."}, 404)
                return self._of_job(request, int(number), rest)
            case "GET", ["labels"]:
                return self._page(request, self.labels)
            case "GET", ["projects", "3"]:
                return answer({"id": 3, "name": "trees", "organization": None})
            case "GET", ["guides", number]:
                return answer({"id": int(number), "project_id": 3, "updated_date": "2026-11-01T00:00:00Z", "markdown": "#"})
            case _, ["issues" | "comments", *_]:
                return self._talk(request)
        return answer({"detail": "Not found."}, 404)

    def _of_job(self, request: Request, number: int, rest: list[str]) -> Answer:
        match request.method, rest:
            case "GET", []:
                return answer(self.jobs[number])
            case "PATCH", []:
                self.change(number, **request.json)
                return answer(self.jobs[number])
            case "GET", ["annotations", ""]:
                return answer(self.drawn[number])
            case "GET", ["data", "meta"]:
                return answer(self.meta[number])
            case "GET", ["data"] if request.query["type"] == "frame" and request.query["quality"] == "original":
                found = self.files.get((number, int(request.query["number"])))
                return answer(found) if found else answer({"detail": "Frame not found"}, 404)
        return answer({"detail": "Not found."}, 404)

    def _page(self, request: Request, rows: list[Json]) -> Answer:
        """DRF's page: {count, next, previous, results}."""
        query, number = request.query, int(request.query.get("page", 1))
        size = int(query.get("page_size", PAGE_SIZE))
        if self.knows_filters and "filter" in query:
            rule = json.loads(query["filter"])
            rows = [row for row in rows if _holds(rule, row)]
        sort = query.get("sort", "-id")
        rows = sorted(rows, key=lambda row: row[sort.lstrip("-")], reverse=sort.startswith("-"))
        shown = rows[(number - 1) * size : number * size]
        if not shown and number > 1:
            return answer({"detail": "Invalid page."}, 404)
        # behind a proxy it does not know the name by which it was asked
        further = f"http://cvat_server:8080{request.path}?page={number + 1}" if number * size < len(rows) else None
        return answer({"count": len(rows), "next": further, "previous": None, "results": self.messy(shown)})

    def _talk(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "POST", ["issues"]:
                return self._new_issue(request.json)
            case "PATCH", ["issues", number]:
                self.issues[int(number)] |= request.json
                return answer(self.issues[int(number)])
            case "GET", ["issues"]:
                rows = list(self.issues.values())
            case _:
                rows = [row | {"job": self.issues[row["issue"]]["job"]} for row in self.comments.values()]
        job = int(request.query["job_id"])
        wanted = self.jobs[job]["organization"]
        is_shown = wanted is None or request.query.get("org_id") == str(wanted)
        return self._page(request, [row for row in rows if row["job"] == job and is_shown])

    def _new_issue(self, said: Json) -> Answer:
        number = len(self.issues) + 1
        kept = {key: said[key] for key in ("frame", "position", "job")}
        self.issues[number] = {"id": number, **kept, "resolved": False, "comments": {"url": "", "count": 1}}
        self.comments[number] = {"id": number, "issue": number, "message": said["message"]}
        return answer(self.issues[number], 201)


def _holds(rule: Json, row: Json) -> bool:
    """JSON logic, as CVAT knows it."""
    ((operator, words),) = rule.items()
    if operator in ("and", "or"):
        return (all if operator == "and" else any)(_holds(one, row) for one in words)
    got, wanted = row[words[0]["var"]], words[1]
    return bool({"==": got == wanted, ">=": operator == ">=" and got >= wanted, "<": operator == "<" and got < wanted}[operator])
