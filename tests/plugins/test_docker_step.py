"""Steps in real containers. The image holds Python and `fake`, nothing else; it takes seconds to build."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path
from threading import Timer

import docker
import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowSkipException
from docker.errors import DockerException

from include.errors import ConfigError
from include.step.plate import StepPlate
from tests.plugins.conftest import FAKE, StateStore, make_context
from visionloop_airflow.docker_step import DockerStepOperator
from visionloop_airflow.gpus import GPUS_LABEL
from visionloop_airflow.outcomes import (
    RETRY_POLICY,
    EngineUnreachable,
    StepBadInput,
    StepConfigError,
    StepFailed,
    StepLost,
    StepOutOfMemory,
)
from visionloop_airflow.reaper import reap

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("root", "bucket"),
    # docker-py leaves its connections to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
BASES = (os.environ.get("BASE_IMAGE"), "visionloop-base:bookworm", "python:3.11-slim-bookworm")
DOCKERFILE = """
FROM {base}
RUN command -v python || ln -s /usr/bin/python3 /usr/local/bin/python; useradd --uid 10001 --home-dir /tmp visionloop
COPY fake.py /opt/visionloop/tasks/fake/__main__.py
WORKDIR /opt/visionloop
USER 10001
LABEL made_for={session}
"""


@pytest.fixture
def bucket(root, monkeypatch):
    """A store that containers could reach. Nothing is there, so notes for the alert are not written to it."""
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://bucket")
    monkeypatch.setattr("visionloop_airflow.step_job.write_note", lambda *_: None)


@pytest.fixture(scope="module")
def engine():
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine):
    """The id of an image whose only step is `fake`."""
    base = next((one for one in BASES if one and engine.images.list(one)), None)
    if base is None:
        pytest.skip("no base image on this engine: run .ci/docker-engine.sh, or pull python:3.11-slim-bookworm")
    session = uuid.uuid4().hex  # an image of one's own: other sessions may use the same engine
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text in (("Dockerfile", DOCKERFILE.format(base=base, session=session)), ("fake.py", FAKE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    built, _ = engine.images.build(fileobj=context, custom_context=True, tag=f"visionloop/fake:{session}", rm=True)
    yield built.id
    engine.images.remove(built.id, force=True)


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch, image, engine):
    """An installation whose runtime is docker; afterwards none of its containers may be left."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "images.json").write_text(json.dumps({"data": image}))
    monkeypatch.setenv("VISIONLOOP_RUNTIME", "docker")
    yield
    left = containers(engine, home)
    for container in left:
        container.remove(force=True, v=True)
    assert left == []
    gc.collect()  # docker-py leaves its connections to the garbage collector: here, where they are expected


def containers(engine, home):
    return engine.containers.list(all=True, ignore_removed=True, filters={"label": f"visionloop.home={home}"})


@pytest.fixture
def operator(plate):
    return lambda **config: DockerStepOperator(task_id="fake", plate=plate, addresses={}, config=config)


def wait_for(check, within_s=120):
    deadline = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("exit_code", "error"),
    [(2, StepConfigError), (3, StepBadInput), (99, AirflowSkipException), (1, StepFailed), (137, StepLost)],
    ids=["configuration", "bad input", "nothing to do", "bug", "killed"],
)
def test_exit_codes_become_exceptions_with_the_steps_own_line(operator, context, exit_code, error):
    with pytest.raises(error, match=r"fake: .*box 7 lies outside"):
        operator(exit=exit_code, say=["12:00:00 ERROR fake: box 7 lies outside"]).execute(context)


def test_a_bug_shows_its_tracebacks_last_line(operator, context):
    with pytest.raises(StepFailed, match="fake: KeyError: 'a bug'"):
        operator(bug=True).execute(context)


def test_more_memory_than_the_plate_allows_is_its_own_failure(operator, context):
    with pytest.raises(StepOutOfMemory, match=r"memory limit of 64 MB \(tasks/fake/step.toml\); last line: reading"):
        operator(hog_mb=200, say=["12:00:00 INFO fake: reading"]).execute(context)


PROBE = """
import json, os, pathlib, socket, sys
def may_write(path):
    try:
        pathlib.Path(path, "probe").write_text("x")
    except OSError:
        return False
    return True
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
found = {
    "uid": os.getuid(), "capabilities": int(status["CapEff"], 16), "no_new_privileges": status["NoNewPrivs"].strip(),
    "writes": [path for path in ("/", "/opt/visionloop", "/etc", "/var", "/tmp") if may_write(path)],
    "docker_socket": any(os.path.exists(p) for p in ("/var/run/docker.sock", "/run/docker.sock")),
    "airflow": sorted(name for name in os.environ if "AIRFLOW" in name),
    "told": {name: value for name, value in os.environ.items() if name.startswith(("VISIONLOOP", "AWS", "MLFLOW"))},
}
sys.stderr.write("12:00:00 ERROR fake: " + json.dumps(found) + "\\n")
sys.exit(3)
"""


def test_inside_it_may_do_little_and_knows_little(context, plate, image, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "airflow's own secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "needed")
    step = DockerStepOperator(task_id="fake", plate=plate, addresses={}, config={"run": PROBE})
    with pytest.raises(StepBadInput) as said:
        step.execute(context)
    found = json.loads(str(said.value).removeprefix("fake: "))
    assert found["uid"] == 10001
    assert found["capabilities"] == 0
    assert found["no_new_privileges"] == "1"
    assert found["writes"] == ["/tmp"]
    assert found["docker_socket"] is False
    assert found["airflow"] == []
    assert found["told"].pop("VISIONLOOP_GIT_COMMIT")
    assert found["told"] == {
        "VISIONLOOP_STORE": "s3://bucket", "AWS_SECRET_ACCESS_KEY": "needed", "VISIONLOOP_DAG_ID": "model__cells",
        "VISIONLOOP_RUN_ID": "manual__2026-01-01T00:00:00+00:00", "VISIONLOOP_TASK_ID": "fake",
        "VISIONLOOP_STARTED_BY": "ada", "VISIONLOOP_ENVIRONMENT": image, "VISIONLOOP_RUNTIME": "docker",
        "VISIONLOOP_PAGES": "http://airflow.example/visionloop",
    }  # fmt: skip


WORKER = """
import os, sys
from include.step.plate import StepPlate
from tests.plugins.conftest import make_context
from visionloop_airflow.docker_step import DockerStepOperator
plate = StepPlate(name="fake", image="data", output="bundle", cpus=1, memory_mb=64, time_limit_minutes=1)
DockerStepOperator(task_id="fake", plate=plate, addresses={{}}, config={config!r}).execute(make_context())
"""


@pytest.fixture
def lost_worker(engine, tmp_path):
    """Start a step in a worker of its own, and kill the worker while the step runs. Returns the container."""
    repo = Path(__file__).resolve().parents[2]

    def start(**config):
        path = {"PYTHONPATH": f"{repo}:{repo / 'plugins'}"}
        command = [sys.executable, "-c", WORKER.format(config=config)]
        with subprocess.Popen(command, env=os.environ | path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            (container,) = wait_for(lambda: [one for one in containers(engine, tmp_path / "home") if one.status == "running"])
            worker.send_signal(signal.SIGKILL)
        return container

    return start


@pytest.mark.parametrize("was_noted", [True, False], ids=["the job was noted", "killed before it was noted"])
def test_a_retry_after_a_lost_worker_finds_the_running_container(operator, lost_worker, was_noted):
    began = "sys.stderr.write(f'12:00:00 ERROR fake: began at {time.time()}\\n'); time.sleep(5); sys.exit(3)"
    container = lost_worker(run=began)
    time.sleep(2)
    retried_at = time.time()
    with pytest.raises(StepBadInput) as said:
        operator(run=began).execute(make_context(store=StateStore(step_job=container.name) if was_noted else None))
    assert float(str(said.value).removeprefix("fake: began at ")) < retried_at


def test_a_retry_takes_the_finished_result_and_forgets_the_container(operator, lost_worker, engine, tmp_path):
    container = lost_worker(sleep_s=1)
    container.wait()
    store = StateStore(step_job=container.name)
    operator(exit=3).execute(make_context(store=store))  # would fail if it ran: but the first one's result is taken
    assert store == {}
    assert containers(engine, tmp_path / "home") == []


def test_a_container_killed_while_nobody_looked_runs_again(operator, lost_worker):
    container = lost_worker(sleep_s=60)
    container.kill()
    container.wait()
    with pytest.raises(StepBadInput):  # the killed one is not mistaken for a success
        operator(exit=3).execute(make_context(store=StateStore(step_job=container.name)))


@pytest.mark.parametrize("how", ["kill", "remove"])
def test_a_container_that_goes_away_under_way_is_lost_and_worth_another_try(operator, engine, tmp_path, how):
    def end():
        (container,) = containers(engine, tmp_path / "home")
        container.kill() if how == "kill" else container.remove(force=True)

    store = StateStore()
    timer = Timer(3, end)
    timer.start()
    with pytest.raises(StepLost, match="last line: begun") as lost:
        operator(say=["12:00:00 INFO fake: begun"], sleep_s=60).execute(make_context(store=store))
    timer.join()
    assert RETRY_POLICY.evaluate(lost.value, try_number=1, max_tries=2).action == RetryAction.RETRY
    with pytest.raises(StepBadInput):
        operator(exit=3).execute(make_context(store=store))


def test_an_engine_that_does_not_answer_is_named_and_waited_for(operator, context, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    with pytest.raises(EngineUnreachable, match=r"fake: no Docker engine answers at unix:.*no-engine.sock; start it") as down:
        operator().execute(context)
    decision = RETRY_POLICY.evaluate(down.value, try_number=1, max_tries=2)
    assert (decision.action, decision.retry_delay.total_seconds()) == (RetryAction.RETRY, 60)


def test_on_kill_leaves_no_container(operator, lost_worker, engine, tmp_path):
    container = lost_worker(sleep_s=60)
    step = operator()
    step._job = container.name
    step.on_kill()
    assert containers(engine, tmp_path / "home") == []


def test_the_reaper_ends_what_no_task_owns(lost_worker, engine, tmp_path):
    container = lost_worker(sleep_s=60)
    assert reap(lambda job: "up_for_retry") == []
    assert [one.status for one in containers(engine, tmp_path / "home")] == ["running"]
    asked = []
    assert reap(lambda job: asked.append((job.dag_id, job.run_id, job.task_id)) or "failed") == [container.name]
    assert asked == [("model__cells", "manual__2026-01-01T00:00:00+00:00", "fake")]
    assert containers(engine, tmp_path / "home") == []


def test_an_image_that_the_engine_has_not_is_a_matter_of_make_images(operator, context, tmp_path):
    (tmp_path / "home" / "images.json").write_text(json.dumps({"data": "sha256:" + "0" * 64}))
    with pytest.raises(ConfigError, match="make images"):
        operator().execute(context)


def test_before_make_images_it_says_so(operator, context, tmp_path):
    (tmp_path / "home" / "images.json").unlink()
    with pytest.raises(ConfigError, match="make images"):
        operator().execute(context)


def test_a_gpu_that_is_not_there_is_a_setting(context, engine):
    if "nvidia" in engine.info()["Runtimes"]:
        pytest.skip("this engine has GPUs")
    plate = StepPlate(name="fake", image="data", output="bundle", cpus=64, memory_mb=64, time_limit_minutes=1, gpus=1)
    step = DockerStepOperator(task_id="fake", plate=plate, addresses={}, config={})
    with pytest.raises(
        ConfigError, match=r"tasks/fake/step.toml asks for 1 GPU.*nvidia-container-toolkit.*VISIONLOOP_GPUS=0"
    ) as said:
        step.execute(context)
    assert RETRY_POLICY.evaluate(said.value, try_number=1, max_tries=2).action == RetryAction.FAIL


def test_a_job_gets_the_gpu_that_no_other_has(engine, image, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_GPUS", "2")
    plate = StepPlate(name="fake", image="data", output="bundle", cpus=1, memory_mb=64, time_limit_minutes=1, gpus=1)
    step = DockerStepOperator(task_id="fake", plate=plate, addresses={}, config={})
    other = engine.api.create_container(image, ["sleep", "60"], labels={GPUS_LABEL: "0"})
    engine.api.start(other)
    asked, job = [], f"gpu-{uuid.uuid4().hex}"
    monkeypatch.setattr(step, "_start", asked.append)  # this engine has no GPUs
    try:
        step.start(job, [], {}, {})
        made = engine.api.inspect_container(job)
    finally:
        step.remove(job)
        engine.api.remove_container(other, force=True)
    assert asked == [job]
    assert made["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["1"]
    assert made["Config"]["Labels"][GPUS_LABEL] == "1"


def test_without_gpus_a_step_that_could_use_one_runs(context, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_GPUS", "0")
    plate = StepPlate(name="fake", image="data", output="bundle", cpus=64, memory_mb=64, time_limit_minutes=1, gpus=1)
    DockerStepOperator(task_id="fake", plate=plate, addresses={}, config={}).execute(context)  # nor has anyone 64 cores


def test_a_store_in_a_folder_is_refused(operator, context, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", "file:///tmp/store")
    with pytest.raises(ConfigError, match="no container sees"):
        operator().execute(context)
