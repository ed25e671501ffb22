"""The team's stack from docker-compose.yaml: a whole loop through its ports, an alert, and each service killed on the way."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from cli.team import dotenv
from include.lineage import Lineage
from include.storage.addresses import ModelName
from tests.end_to_end import shapes
from tests.end_to_end.drill import known, visionloop
from tests.end_to_end.loop import DAGS
from tests.end_to_end.team import Team, build_servers, docker
from tests.receiver import chat

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
KILLED = (
    "postgres", "s3-seaweedfs", "mlflow", "docker-proxy",
    "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "monitoring",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine():
    """Skips where no engine or no compose answers; the address of its bridge."""
    try:
        docker("info")
        gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Docker engine answers: {getattr(error, 'stderr', None) or error}")
    build_servers()
    return gateway


@pytest.fixture(scope="module")
def room(engine):
    with chat(engine) as room:
        yield room


@pytest.fixture(scope="module")
def team(room):
    team = Team(epochs=8, VISIONLOOP_ALERT_URLS=room.url)
    try:
        team.up()
        yield team
    finally:
        team.close()


def test_at_rest_it_holds_less_than_four_gigabytes(team):
    used = team.memory_mb()
    sys.stdout.write(f"MB at rest: {sum(used.values()):.0f} of {used}\n")
    assert {"postgres", "mlflow", "airflow-scheduler"} <= used.keys()
    assert sum(used.values()) < 3400  # and Grafana, for which nothing stands in: 512


def test_labels_that_land_become_a_champion(team):
    shapes.deliver(team.store, "day-1", first_seed=0)
    (decision,) = team.decided(1)
    assert decision.decision == "promoted"
    assert [[run["run_type"] for run in team.runs(dag_id)] for dag_id in DAGS] == [["asset_triggered"]] * len(DAGS)
    assert team.steps() == []


def test_the_champion_knows_commit_and_image_that_made_it(team):
    tags = Lineage().model_version(ModelName("shapes", "champion")).tags
    built_from = dotenv.read(team.env_file)["VISIONLOOP_AIRFLOW_IMAGE"].partition(":")[2]
    assert tags["visionloop.git_commit"].startswith(built_from.removesuffix("-dirty"))
    assert docker("image", "inspect", "--format", "{{.Config.User}}", tags["visionloop.environment"]).stdout.strip() == "10001"


def test_a_log_is_read_from_the_bucket_when_its_container_is_gone(team):
    task = team.task("model__shapes", "train_detector")
    assert [entry for entry in team.store.list("logs") if "task_id=train_detector" in entry.key]
    assert any("train_detector runs as docker" in line for line in team.api.log_lines(task))


def test_a_failure_is_told(team, room):
    shapes.deliver(team.store, "wrong", first_seed=50, classes=("Quadrat", "Scheibe"))
    told = team.until(lambda: [one for one in room.told if "labels__shapes" in one["title"]], "the alert")
    assert told[0]["title"] == "[error] labels__shapes failed at validate_annotations"


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (
            {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://visionloop:wrong@postgres/airflow"},
            "PostgreSQL refuses VISIONLOOP_POSTGRES_PASSWORD of .env",
        ),
        (
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "the S3 server at http://s3:9000 refuses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://visionloop:{password}@postgres/other"},
            'PostgreSQL has no such database: database "other" does not exist',
        ),
    ],
    ids=["database password", "bucket key", "database"],
)
def test_what_keeps_it_from_starting_is_one_line(team, settings, remedy):
    password = dotenv.read(team.env_file)["VISIONLOOP_POSTGRES_PASSWORD"]
    done = team.bootstrap(**{name: value.replace("{password}", password) for name, value in settings.items()})
    (line,) = done.stderr.splitlines()
    assert (done.returncode, remedy in line) == (2, True), line


def test_a_missing_bucket_is_made(team):
    done = team.bootstrap(VISIONLOOP_STORE="s3://another")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "bucket another created at http://s3:9000")


def training(team):
    """The container of a training that is under way: it has its pictures and its MLflow run."""

    def check():
        found = [
            one for one in team.steps() if "train_detector" in docker("inspect", "--format", "{{.Name}}", one, check=False).stdout
        ]
        return found if found and "val pictures of shapes" in docker("logs", found[0], check=False).stderr else None

    (container,) = team.until(check, "the training to be under way")
    return container


def test_whatever_is_killed_comes_back_and_nothing_is_lost(team):
    before = team.promotions()
    shapes.deliver(team.store, "day-2", first_seed=100)
    docker("kill", training(team))
    for service in KILLED:  # while the rest of the loop goes on
        team.kill_and_start(service)
    assert len(team.decided(len(before) + 1)) == len(before) + 1
    trained = team.task("model__shapes", "train_detector")
    assert trained.state == "success"
    assert trained.try_number >= 2
    assert team.versions() == ["v1", "v2"]
    assert team.runs("model__shapes")[0]["state"] == "success"
    assert team.steps() == []


def test_down_in_mid_training_leaves_no_container_and_up_with_celery_begins_it_again(team):
    shapes.deliver(team.store, "day-3", first_seed=200)
    training(team)
    team.down()
    assert team.steps() == []
    assert docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={team.project}").stdout == ""
    dotenv.put(team.env_file, {"COMPOSE_PROFILES": "seaweedfs,celery"})
    team.up()
    training(team)


def of_latest_run(team, task_id):
    """What Airflow's API says of a task of the latest model run."""
    run_id = team.runs("model__shapes")[-1]["dag_run_id"]
    return team.api.get(f"/dags/model__shapes/dagRuns/{run_id}/taskInstances/{task_id}").json()


def test_celerys_broker_and_worker_killed_in_mid_run_lose_nothing(team):
    before, redis, worker = team.promotions(), team.container("redis")["Id"], team.container("airflow-worker")["Id"]
    docker("kill", redis)
    team.until(lambda: of_latest_run(team, "pack_model")["state"] == "queued", "a task that no broker takes")
    time.sleep(5)  # several tries to hand it over, which must not fail it
    docker("start", redis)
    team.until(lambda: of_latest_run(team, "pack_model")["state"] == "running", "the task to run when the broker is back")
    team.kill_and_start("airflow-worker")
    assert len(team.decided(len(before) + 1)) == len(before) + 1
    packed = of_latest_run(team, "pack_model")
    assert (packed["state"], packed["try_number"]) == ("success", 2)  # the one without broker was none
    assert {of_latest_run(team, name)["hostname"] for name in ("train_detector", "pack_model")} == {worker[:12]}
    assert team.versions() == ["v1", "v2", "v3"]
    assert team.steps() == []


def test_doctor_finds_what_is_wrong_with_it_and_nothing_else(team):
    env_file = str(team.env_file)
    done = visionloop("doctor", "--team", VISIONLOOP_ENV_FILE=env_file)
    assert done.returncode == 0, done.stdout + done.stderr
    docker("stop", team.container("mlflow")["Id"])
    done = visionloop("doctor", "--team", VISIONLOOP_ENV_FILE=env_file)
    docker("start", team.container("mlflow")["Id"])
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  FAIL")]
    assert (done.returncode, failed) == (1, ["MLflow", "containers"]), done.stdout
    team.until(lambda: team.container("mlflow")["State"]["Health"]["Status"] == "healthy", "MLflow to be well again")


def test_a_stack_whose_volumes_are_lost_comes_back_from_its_backup(team, tmp_path):
    env_file = str(team.env_file)
    before = known(team)
    done = visionloop("backup", "--team", "--with-content", str(tmp_path / "b"), VISIONLOOP_ENV_FILE=env_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "airflow.pgdump, mlflow.pgdump" in done.stdout
    done = visionloop("restore", "--team", "--yes", "--force", str(tmp_path / "b"), VISIONLOOP_ENV_FILE=env_file)
    assert (done.returncode, "stop the stack first" in done.stderr) == (1, True), done.stdout + done.stderr
    team.down()
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={team.project}").stdout.split()
    docker("volume", "rm", *volumes)
    done = visionloop("restore", "--team", "--yes", str(tmp_path / "b"), VISIONLOOP_ENV_FILE=env_file)
    assert done.returncode == 0, done.stdout + done.stderr
    team.up()
    assert known(team) == before


def test_up_with_a_password_that_is_not_the_volumes_ends_with_one_line(team):
    dotenv.put(team.env_file, {"VISIONLOOP_POSTGRES_PASSWORD": "forgotten"})
    done = team.visionloop("up")
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("visionloop: airflow-init: PostgreSQL refuses VISIONLOOP_POSTGRES_PASSWORD of .env."), done.stderr
