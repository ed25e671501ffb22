"""docs/roles.md, cell by cell, asked of running web servers; and that there is nothing behind the login that it does not name."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from tests.plugins.roles.conftest import ROOT, TEAM
from tests.plugins.roles.matrix import QUESTIONS, table

TABLES = {"compose": table("The team's stack (compose)"), "embedded": table("The embedded stack")}
CELLS = [
    pytest.param(where, row, who, may, id=f"{where}: {who}: {row}")
    for where, rows in TABLES.items()
    for row, cells in rows.items()
    for name, may in cells.items()
    for who in (("nobody", "expired") if name == "nobody" else (name,))
]
# For everybody
PUBLIC = {"/api/v2/version", "/api/v2/monitor/health", "/api/v2/auth/login", "/api/v2/auth/logout"}
NO_USERS_THERE = {"see users and roles", "change users and roles"}

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("where", "row", "who", "may"), CELLS)
def test_the_server_answers_as_the_table_says(servers, where, row, who, may):
    question = QUESTIONS[row]
    answer = servers[where].ask(who, question)
    if may:
        assert answer.status_code == question.expected, answer.text[:300]
    else:
        is_stranger = who in ("nobody", "expired") or "webhook" in row
        assert answer.status_code == (401 if is_stranger else 403), answer.text[:300]


def test_both_tables_answer_every_question():
    assert set(TABLES["compose"]) == set(QUESTIONS)
    assert set(TABLES["embedded"]) == set(QUESTIONS) - NO_USERS_THERE


@pytest.fixture(scope="module")
def operations(servers):
    """Every call that Airflow's API knows, with something in each place of its path."""
    paths = httpx.get(f"{servers['compose'].url}/openapi.json", timeout=60).json()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods if path not in PUBLIC]
    assert len(found) > 100
    return [(method, path.replace("{dag_id}", "model__cells").replace("{asset_id}", "1")) for method, path in found]


def fill(path):
    """The rest of its places: a number is good for names and ids alike."""
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


def test_nothing_answers_a_stranger(servers, operations):
    with httpx.Client(base_url=servers["compose"].url, timeout=60) as client:
        said = {(method, path): client.request(method, fill(path)).status_code for method, path in operations}
    assert {call: status for call, status in said.items() if status != 401} == {}


def test_the_webhook_user_may_do_nothing_else(servers, operations):
    headers = servers["compose"].headers("Webhook")
    with httpx.Client(base_url=servers["compose"].url, timeout=60, headers=headers) as client:
        said = {(method, path): client.request(method, fill(path)).status_code for method, path in operations}
    # of a few calls the server finds out first that they are nonsense
    assert {call: status for call, status in said.items() if status not in (403, 404, 409, 422)} == {}


def test_roles_are_made_again_as_they_should_be_and_others_stay(servers, tmp_path):
    """By the command that docs/roles.md names, in a copy of the database: somebody meddled, and made a role of their own."""
    copy = tmp_path / "airflow.db"
    with closing(sqlite3.connect(servers["compose"].database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    first = held(copy)
    meddle(copy)
    assert held(copy) != first
    env = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__AUTH_MANAGER": TEAM,
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{copy}",
        "PYTHONPATH": f"{ROOT}:{ROOT}/plugins",
    }
    command = [sys.executable, "-m", "visionloop_airflow.roles"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "roles: Viewer, Admin, Operator, Approver, Webhook"
    assert held(copy) == first | {("Auditor", "can_read", "Variables"), ("Auditor", "can_read", "Website")}  # the latter by FAB


HELD = """
SELECT ab_role.name, ab_permission.name, ab_view_menu.name FROM ab_permission_view_role
JOIN ab_role ON ab_role.id = role_id JOIN ab_permission_view ON ab_permission_view.id = permission_view_id
JOIN ab_permission ON ab_permission.id = permission_id JOIN ab_view_menu ON ab_view_menu.id = view_menu_id
"""


def held(database):
    with closing(sqlite3.connect(database)) as connection:
        return set(connection.execute(HELD))


def meddle(database):
    """Webhook may read variables, Approver may not approve, and there is a role of the team's own."""
    with closing(sqlite3.connect(database)) as connection, connection:
        (pair,) = connection.execute(
            "SELECT ab_permission_view.id FROM ab_permission_view JOIN ab_permission ON ab_permission.id = permission_id "
            "JOIN ab_view_menu ON ab_view_menu.id = view_menu_id "
            "WHERE ab_permission.name = 'can_read' AND ab_view_menu.name = 'Variables'"
        ).fetchone()
        number = dict(connection.execute("SELECT name, id FROM ab_role"))
        connection.execute("INSERT INTO ab_role (id, name) VALUES (900, 'Auditor')")
        for role in (number["Webhook"], 900):
            connection.execute(
                "INSERT INTO ab_permission_view_role (id, permission_view_id, role_id) VALUES (?, ?, ?)",
                (9000 + role, pair, role),
            )
        connection.execute("DELETE FROM ab_permission_view_role WHERE role_id = ?", (number["Approver"],))
