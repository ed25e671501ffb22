"""An Airflow database in which everything that the matrix speaks of exists. Run by the fixture, before the servers start.

    python tests/plugins/roles/world.py SECRET_TO_LOG_IN_WITH USER …

Of what a question changes, each user has one of its own: runs named <what>__<user>, DAGs named <what>__<user>.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

SHARED = "model__cells"
CHANGED = ("clear", "mark_task", "mark_run", "delete", "xcom", "answer")

DAGS = """
from datetime import datetime
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset

USERS = {users}
names = ["model__cells", "labels__s", "dataset__cells"]
names += [what + "__" + user for what in ("backfill", "delete") for user in USERS]
for name in names:
    with DAG(name, schedule="0 2 * * *", start_date=datetime(2026, 1, 1), catchup=False) as dag:
        task = EmptyOperator(task_id="train", outlets=[Asset("cells", uri="s3://visionloop/cells")])
        ApprovalOperator(task_id="approve", subject="Promote?") >> task
    globals()[name] = dag
"""


def make_dags(folder: Path, users: list[str]) -> None:
    (folder / "dags.py").write_text(DAGS.replace("{users}", repr(users)))


def make_runs(users: list[str]) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.hitl import HITLDetail
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(bundle_name="dags-folder")
    assert not bag.import_errors, bag.import_errors
    with create_session() as session:
        sync_bag_to_db(bag, "dags-folder", bundle_version=None, session=session)
    with create_session() as session:
        dag = SerializedDagModel.get_dag(SHARED, session=session)
        for run_id in ("shown", *(f"{what}__{user}" for what in CHANGED for user in users)):
            run = dag.create_dagrun(
                run_id=run_id, run_after=datetime.now(UTC), run_type=DagRunType.MANUAL,
                state=DagRunState.FAILED if run_id.startswith("delete") else DagRunState.RUNNING,
                triggered_by=DagRunTriggeredByType.TEST, session=session,
            )  # fmt: skip
            for task in run.get_task_instances(session=session):
                task.try_number = 1
                task.state = TaskInstanceState.AWAITING_INPUT if task.task_id == "approve" else TaskInstanceState.FAILED
                if task.task_id == "approve":
                    task.next_method, task.next_kwargs = "execute_complete", {}
                    session.add(HITLDetail(ti_id=task.id, options=["Approve", "Reject"], subject="Promote?", params={}))


def make_things() -> None:
    from airflow.models.connection import Connection
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session

    Variable.set("price", "secret")
    with create_session() as session:
        session.add(Connection(conn_id="s3", conn_type="aws", password="secret"))


def make_logins(password: str, roles: list[str]) -> None:
    """Each FAB role has one user, named as the role in small letters."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    from visionloop_airflow.roles import make

    @providers_configuration_loaded
    def with_fab() -> None:
        with get_application_builder() as builder:
            make(builder.sm)
            for role in roles:
                name = role.lower()
                assert builder.sm.add_user(name, name, name, f"{name}@example.org", builder.sm.find_role(role), password)

    with_fab()


def main() -> None:
    from airflow import settings
    from airflow.utils.db import initdb

    told = json.loads(sys.argv[1])
    make_dags(Path(settings.DAGS_FOLDER), told["users"])
    initdb()
    make_logins(told["password"], told["roles"])
    make_runs(told["users"])
    make_things()


if __name__ == "__main__":
    main()
