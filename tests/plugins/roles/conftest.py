"""Two real web servers on one database, with FAB's auth manager and with the simple one, and a login for every role."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from include.storage import open_store
from tests.plugins.roles.matrix import SECRET, Question, for_me

ROOT = Path(__file__).resolve().parents[3]
PASSWORD, JWT_SECRET = "correct horse battery", "s" * 64
FAB_ROLES = ("Viewer", "Operator", "Approver", "Admin", "Webhook")
SIMPLE_ROLES = ("viewer", "user", "op", "admin")
NOBODY = ("nobody", "expired")
READY_WITHIN_S = 240
TEAM = "visionloop_airflow.auth_manager.TeamAuthManager"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


class NoCookies(CookieJar):
    def extract_cookies(self, *_: Any) -> None:
        return


@dataclass
class Server:
    """A web server. Users are named <prefix><role in small letters>."""

    url: str
    prefix: str
    log: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.log.with_name("airflow.db")

    def token(self, who: str) -> str:
        if who not in self.tokens:
            body = {"username": self.prefix + who.lower(), "password": PASSWORD}
            answer = httpx.post(f"{self.url}/auth/token", json=body, timeout=60)
            assert answer.status_code == 201, answer.text
            self.tokens[who] = answer.json()["access_token"]
        return self.tokens[who]

    @cached_property
    def client(self) -> httpx.Client:
        """Keeps no cookies: who asks is in the headers alone."""
        return httpx.Client(base_url=self.url, timeout=60, cookies=NoCookies())

    def headers(self, who: str) -> dict[str, str]:
        if who == "nobody":
            return {}
        if who == "expired":
            claims = jwt.decode(self.token(self.somebody), options={"verify_signature": False})
            token = jwt.encode(claims | {"exp": int(time.time()) - 60}, JWT_SECRET, algorithm="HS512")
        else:
            token = self.token(who)
        return {"Authorization": f"Bearer {token}"}

    @property
    def somebody(self) -> str:
        return "admin" if self.prefix else "Admin"

    def ask(self, who: str, question: Question) -> httpx.Response:
        """The answer, redirects not followed."""
        me = self.prefix + who.lower()
        return self.client.request(
            question.method, for_me(question.path, me), json=for_me(question.json, me), data=question.form,
            headers=self.headers(who) | (question.headers or {}),
        )  # fmt: skip


def users() -> list[str]:
    return [*(role.lower() for role in FAB_ROLES), *NOBODY, *(f"simple_{role}" for role in (*SIMPLE_ROLES, *NOBODY))]


def environment(home: Path) -> dict[str, str]:
    """Of both servers, and of what makes their database."""
    (home / "dags").mkdir()
    (home / "sources").mkdir()
    (home / "sources" / "s.yaml").write_text(
        "kind: label_studio\nowner: ada\nservice: {url: https://studio.example, project: 1}\n"
    )
    (home / "passwords.json").write_text(json.dumps({f"simple_{role}": PASSWORD for role in SIMPLE_ROLES}))
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"simple_{role}:{role}" for role in SIMPLE_ROLES),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__BASE_URL": "",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": JWT_SECRET,
        "AIRFLOW__API__SECRET_KEY": "k" * 32,
        "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
        "PYTHONPATH": f"{ROOT}:{ROOT}/plugins",
        "VISIONLOOP_STORE": f"file://{home}/store",
        "VISIONLOOP_DEFINITIONS": str(home),
        "VISIONLOOP_WEBHOOK_SECRET__S": SECRET,
    }


def start(stack: ExitStack, home: Path, env: dict[str, str], manager: str, prefix: str) -> Server:
    """A server that is starting."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / f"{manager.rsplit('.', 1)[-1]}.log"
    program = Path(sys.executable).with_name("airflow")
    with open(log, "w") as out:
        process = subprocess.Popen(
            [program, "api-server", "--host", "127.0.0.1", "--port", str(port)], stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, env=env | {"AIRFLOW__CORE__AUTH_MANAGER": manager, "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}"},
        )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(os.killpg, process.pid, signal.SIGKILL)  # it has nothing to save, and takes 10 s to end by itself
    return Server(f"http://127.0.0.1:{port}", prefix, log)


def wait_for(server: Server) -> None:
    started = time.monotonic()
    while time.monotonic() - started < READY_WITHIN_S:
        try:
            if httpx.get(f"{server.url}/api/v2/version", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise AssertionError(server.log.read_text()[-3000:])


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, fill_store: Callable[[Any], None]) -> Iterator[dict[str, Server]]:
    """By the heading of their table in docs/roles.md."""
    home = tmp_path_factory.mktemp("roles")
    env = environment(home)
    fill_store(open_store(env["VISIONLOOP_STORE"]))
    told = json.dumps({"password": PASSWORD, "roles": FAB_ROLES, "users": users()})
    world = [sys.executable, str(Path(__file__).with_name("world.py")), told]
    made = subprocess.run(
        world,
        start_new_session=True,
        env=env | {"AIRFLOW__CORE__AUTH_MANAGER": TEAM},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-3000:]
    with ExitStack() as stack:
        found = {"compose": start(stack, home, env, TEAM, ""), "embedded": start(stack, home, env, SIMPLE, "simple_")}
        for server in found.values():
            wait_for(server)
            stack.callback(server.client.close)
        yield found


@pytest.fixture(scope="session")
def fill_store() -> Callable[[Any], None]:
    """Something to look at on each of our pages."""
    from datetime import UTC, datetime

    from include.artifacts import SpotCheck, Stratum
    from include.artifacts.base import Cost, MadeBy
    from include.spot_checks.sheet import Row, to_json

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def fill(store: Any) -> None:
        made_by = MadeBy(
            step="spot_check", dag_id="labels__s", run_id="r1", task_id="spot_check", started_by="a test", git_commit="0",
            runtime="process", environment="lock:1", started_at=noon, ended_at=noon, duration_s=1,
            cost=Cost(amount=0, currency="EUR"),
        )  # fmt: skip
        strata = (Stratum(subject="annotation", name="Tree", population=10, sampled=1),)
        card = SpotCheck(made_by=made_by, inputs={}, config={}, source="s", batch_id="b1", by=("class_name",), strata=strata,
                         sample="sample.json", page="runs/labels__s/r1/spot_check/page.html", sheet="s")  # fmt: skip
        store.write("runs/labels__s/r1/spot_check/card.json", card.to_bytes())
        store.write(card.page, b"<form><div id=standing></div><input type=radio name=item_1 value='ok'></form>")
        store.write(
            card.sample, to_json([Row(1, "annotation", "d1#0", "s/a.png", "0" * 32, "Tree", "Tree", (1.0, 2.0, 3.0, 4.0))])
        )
        store.write("runs/model__cells/shown/evaluate_model/report.html", b"<p>numbers")
        store.write("datasets/cells/v1.html", b"<p>pictures")
        store.write("labels/s/checked/b1.json", json.dumps({"data_docs": "runs/labels__s/r1/docs/index.html"}).encode())

    return fill
