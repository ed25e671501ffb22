"""A real Label Studio server on a free loopback port, and what annotators do with it, over its API.

with label_studio(folder) as studio:
    project = studio.project("<View>…</View>")
    task = studio.upload(project, "tree.png", data)
    studio.annotate(task, [studio.box("tree", 10, 20, 30, 40)])
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

READY_WITHIN_S = 280  # the first start makes its database, which is kept for the next
HOME = Path(sys.prefix).parent / "label_studio"
DATABASE = "label_studio.sqlite3"
LEAD = ("lead@example.com", "a-Long-Passw0rd", "0123456789abcdef0123456789abcdef01234567")
BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="tree"/><Label value="shrub"/></RectangleLabels></View>"""


@dataclass
class Studio:
    """A running server. `web`: its API, as the lead sees it."""

    url: str
    token: str
    web: httpx.Client
    files: Path  # what /data/local-files/ serves, where a project has it as its storage
    people: dict[str, httpx.Client] = field(default_factory=dict)

    @cached_property
    def personal_token(self) -> str:
        """The lead's; a server makes one for each person."""
        return str(self.ask("POST", "/api/token/", json={})["token"])

    def ask(self, method: str, path: str, **words: Any) -> Any:
        answer = self.web.request(method, path, **words)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def project(self, config: str = BOXES, **words: Any) -> int:
        made = self.ask("POST", "/api/projects", json={"title": f"trees {uuid.uuid4().hex[:8]}", "label_config": config, **words})
        return int(made["id"])

    def upload(self, project: int, name: str, data: bytes) -> int:
        """A file that becomes a task, as in the import dialog; the task's number."""
        path = f"/api/projects/{project}/import"
        return int(self.ask("POST", path, params={"return_task_ids": "true"}, files={"file": (name, data)})["task_ids"][0])

    def import_task(self, project: int, **data: Any) -> int:
        path = f"/api/projects/{project}/import"
        return int(self.ask("POST", path, params={"return_task_ids": "true"}, json=[data])["task_ids"][0])

    def tasks(self, project: int) -> list[dict[str, Any]]:
        answer = self.web.get("/api/tasks", params={"project": project, "page_size": 1000, "fields": "all"})
        return list(answer.json()["tasks"]) if answer.is_success else []

    def annotate(self, task: int, result: list[dict[str, Any]], who: httpx.Client | None = None, **words: Any) -> int:
        answer = (who or self.web).post(f"/api/tasks/{task}/annotations", json={"result": result, **words})
        assert answer.is_success, answer.text[:500]
        return int(answer.json()["id"])

    def skip(self, task: int) -> int:
        return self.annotate(task, [], was_cancelled=True)

    def local_files(self, project: int, folder: str) -> None:
        """Let the project show files below `files`/`folder`."""
        (self.files / folder).mkdir(exist_ok=True)
        asked = {"project": project, "title": folder, "path": str(self.files / folder), "use_blob_urls": True}
        self.ask("POST", "/api/storages/localfiles", json=asked)

    def person(self, email: str) -> httpx.Client:
        """Another annotator, who signed up by the lead's invitation."""
        if email not in self.people:
            link = self.ask("GET", "/api/invite")["invite_url"]
            self.people[email] = _sign_up(self.url, link, email)
        return self.people[email]

    @staticmethod
    def box(label: str, x: float, y: float, width: float, height: float, size_px: tuple[int, int] = (200, 100)) -> dict[str, Any]:
        """A result as the editor makes it. Percent of the image."""
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
        return {
            "id": uuid.uuid4().hex[:10], "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value,
            "original_width": size_px[0], "original_height": size_px[1], "image_rotation": 0,
        }  # fmt: skip


def _sign_up(url: str, link: str, email: str) -> httpx.Client:
    """Through the form, as people do; then by a token of their own."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=60) as browser:
        browser.get(link)
        form = {"email": email, "password": LEAD[1], "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        answer = browser.post(link, data=form, headers={"Referer": url})
        assert answer.is_success, answer.text[:500]
        me = browser.get("/api/current-user/token")
        token = me.json()["token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60)


@contextmanager
def label_studio(folder: Path) -> Iterator[Studio]:
    """Ended, by its own process group, afterwards. Skips where it is not installed."""
    program = HOME / "bin" / "label-studio"
    if not program.exists():
        pytest.skip("no label_studio environment: python3 images/install.py label_studio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "files").mkdir(parents=True, exist_ok=True)
    fresh = HOME / f"fresh-{(HOME / 'visionloop.lock.sha256').read_text()[:12]}.sqlite3"
    if fresh.exists():
        shutil.copyfile(fresh, folder / DATABASE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_STUDIO", "DJANGO", "PYTHON"))}
    env = kept | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "LABEL_STUDIO_USERNAME": LEAD[0], "LABEL_STUDIO_PASSWORD": LEAD[1],
        "LABEL_STUDIO_USER_TOKEN": LEAD[2], "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true", "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "SSRF_PROTECTION_ENABLED": "false",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(folder / "files"),
        "HOME": str(folder),
    }  # fmt: skip
    command = [str(program), "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server, folder / "log")
        if not fresh.exists():
            _keep(folder / DATABASE, fresh)
        with httpx.Client(base_url=url, headers={"Authorization": f"Token {LEAD[2]}"}, timeout=60) as web:
            studio = Studio(url, LEAD[2], web, folder / "files")
            yield studio
            for person in studio.people.values():
                person.close()
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it has nothing to save; by itself it may take half a minute on a busy machine
        server.wait()


def _keep(database: Path, fresh: Path) -> None:
    """A new database, with the lead in it: making one takes a minute or more."""
    aside = fresh.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(aside)) as copy:
        source.backup(copy)
    aside.replace(fresh)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if server.poll() is not None:
            pytest.fail(f"the Label Studio server ended:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"the Label Studio server was not ready within {READY_WITHIN_S} s:\n{log.read_text()[-3000:]}")
