"""Zillin: a project's export with a byte order mark, and files by id. Its addresses are ours: the documents do not show them."""

from __future__ import annotations

import json
from typing import Any

from tests.hosted_servers.serving import Answer, Request, Service, answer


class Zillin(Service):
    """`export`: the file. `files`: bytes by image id."""

    def __init__(self, export: dict[str, Any]) -> None:
        super().__init__()
        self.export = export
        self.files: dict[str, bytes] = {}

    def answer_to(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}" or request.headers.get("api-version") != "1.0":
            return answer({"title": "Unauthorized"}, 401)
        if request.path == "/api/Projects/9/export":
            sets = [{**one, "Images": self.messy(one["Images"])} for one in self.export["DataSets"]]
            return answer(b"\xef\xbb\xbf" + json.dumps({**self.export, "DataSets": sets}).encode())
        key = request.path.removeprefix("/api/Images/")
        return answer(self.files[key]) if key in self.files else answer({"title": "Not Found"}, 404)
