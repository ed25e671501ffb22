import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tests.plugins.conftest import StateStore, make_context, read_shown
from visionloop_airflow.outcomes import StepBadInput, StepConfigError, StepFailed, StepLost
from visionloop_airflow.process_step import ProcessStepOperator, folder, only, shell_of

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def operator(plate):
    return lambda **config: ProcessStepOperator(task_id="fake", plate=plate, addresses={}, config=config)


def wait_for(check, within_s=120):
    deadline = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("exit_code", "error"),
    [(2, StepConfigError), (3, StepBadInput), (99, AirflowSkipException), (1, StepFailed), (137, StepLost)],
    ids=["configuration", "bad input", "nothing to do", "bug", "killed"],
)
def test_exit_codes_become_exceptions_with_the_steps_own_line(operator, context, exit_code, error):
    with pytest.raises(error, match=r"fake: .*box 7 lies outside"):
        operator(exit=exit_code, say=["12:00:00 ERROR fake: box 7 lies outside"]).execute(context)
    assert not list((folder("x").parent).glob("*")), "a finished job leaves no record"


def test_a_bug_shows_its_tracebacks_last_line(operator, context):
    with pytest.raises(StepFailed, match="fake: KeyError: 'a bug'"):
        operator(bug=True).execute(context)


def test_the_step_is_told_who_runs_it_and_no_secret_of_airflows(operator, context, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "airflow's own secret")
    shown = tmp_path / "shown.json"
    step = operator(show=str(shown))
    step.addresses = {"bundle": "{run_folder}/pack_model/card.json", "dataset": "dataset://cells:latest", "parents": None}
    step.execute(context)
    told = read_shown(shown)
    run = "runs/model__cells/manual__2026-01-01T00_00_00_00_00"
    assert told["argv"][told["argv"].index("--output") + 1] == f"{run}/fake"
    assert f"bundle={run}/pack_model/card.json" in told["argv"]
    assert "dataset=dataset://cells:latest" in told["argv"]
    assert "parents=" in told["argv"]
    assert told["env"]["VISIONLOOP_STARTED_BY"] == "ada"
    assert told["env"]["VISIONLOOP_PAGES"] == "http://airflow.example/visionloop"
    assert told["env"]["VISIONLOOP_RUN_ID"] == "manual__2026-01-01T00:00:00+00:00"
    # sha256 of "nothing==1", by sha256sum
    assert told["env"]["VISIONLOOP_ENVIRONMENT"] == "lock:6eef1543d939597a4578a4dea83a69b16fadfe0a100cbb9b7a0ebe921b7802d2"
    assert told["env"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "airflow's own secret" not in str(told)


WORKER = """
import sys
sys.path[:0] = [{repo!r}, {plugins!r}]
from pathlib import Path
from visionloop_airflow import settings
settings.ROOT = Path({root!r})
from include.step.plate import StepPlate
from tests.plugins.conftest import make_context
from visionloop_airflow.process_step import ProcessStepOperator
plate = StepPlate(name="fake", image="data", output="bundle", cpus=1, memory_mb=64, time_limit_minutes=1)
ProcessStepOperator(task_id="fake", plate=plate, addresses={{}}, config={config!r}).execute(make_context())
"""


@pytest.fixture
def lost_worker(root, plate):
    """Start a step in a worker of its own, and kill the worker while the step runs."""

    def start(**config):
        repo = Path(__file__).resolve().parents[2]
        code = WORKER.format(repo=str(repo), plugins=str(repo / "plugins"), root=str(root), config=config)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            wait_for(lambda: Path(config["count"]).exists(), 60)
            worker.send_signal(signal.SIGKILL)
        ti = make_context()["ti"]
        return ProcessStepOperator.job_name(ti.dag_id, ti.run_id, ti.task_id)

    return start


@pytest.mark.parametrize("was_noted", [True, False], ids=["the job was noted", "killed before it was noted"])
def test_a_retry_after_a_lost_worker_finds_the_running_step(operator, lost_worker, tmp_path, was_noted):
    config = {"sleep_s": 6, "count": str(tmp_path / "count")}
    job = lost_worker(**config)
    assert shell_of(job) is not None, "the step outlives its worker"
    operator(**config).execute(make_context(store=StateStore(step_job=job) if was_noted else None))
    assert Path(config["count"]).read_text() == "x", "the step ran once"


def test_a_retry_after_a_lost_worker_takes_the_finished_result(operator, lost_worker, tmp_path):
    config = {"sleep_s": 1, "count": str(tmp_path / "count")}
    job = lost_worker(**config)
    wait_for(lambda: (folder(job) / "exit_code").exists())
    operator(**config).execute(make_context(store=StateStore(step_job=job)))
    assert Path(config["count"]).read_text() == "x"


def test_a_step_killed_with_its_shell_is_lost_and_runs_again(operator, lost_worker, tmp_path):
    config = {"sleep_s": 2, "count": str(tmp_path / "count")}
    job = lost_worker(**config)
    os.killpg(shell_of(job).pid, signal.SIGKILL)
    wait_for(lambda: shell_of(job) is None)
    operator(**config).execute(make_context(store=StateStore(step_job=job)))
    assert Path(config["count"]).read_text() == "xx"


def test_a_step_whose_shell_alone_was_killed_does_not_work_beside_the_next(operator, lost_worker, tmp_path):
    config = {"sleep_s": 60, "count": str(tmp_path / "count")}
    job = lost_worker(**config)
    (orphan,) = shell_of(job).children()
    shell_of(job).kill()
    wait_for(lambda: shell_of(job) is None)
    assert orphan.is_running()
    operator(sleep_s=0).execute(make_context(store=StateStore(step_job=job)))
    assert not orphan.is_running()


def test_on_kill_ends_the_step_and_its_children(operator, lost_worker, tmp_path):
    job = lost_worker(sleep_s=60, child=True, count=str(tmp_path / "count"))
    family = wait_for(lambda: [p for p in shell_of(job).children(recursive=True) if "sleep(300)" in " ".join(p.cmdline())])
    step = operator()
    step._job = job
    step.on_kill()
    assert shell_of(job) is None
    assert not any(psutil.pid_exists(process.pid) for process in family)
    assert not folder(job).exists()


def test_a_recycled_pid_is_not_the_job(operator):
    folder("old").mkdir(parents=True)
    (folder("old") / "pid").write_text(str(os.getpid()))
    assert shell_of("old") is None
    assert operator().status("old") == "gone"


def test_a_missing_environment_says_what_to_do(operator, context, monkeypatch, tmp_path):
    monkeypatch.setenv("VISIONLOOP_VENVS", str(tmp_path / "nowhere"))
    with pytest.raises(Exception, match="make setup"):
        operator().execute(context)


def test_the_reaper_ends_what_no_task_owns(lost_worker, tmp_path):
    from visionloop_airflow.reaper import reap

    job = lost_worker(sleep_s=60, count=str(tmp_path / "count"))
    asked = []
    assert reap(lambda found: asked.append((found.dag_id, found.run_id, found.task_id)) or "up_for_retry") == []
    assert shell_of(job) is not None
    assert asked == [("model__cells", "manual__2026-01-01T00:00:00+00:00", "fake")]
    assert reap(lambda found: "failed") == [job]
    assert shell_of(job) is None


def test_a_step_with_keys_of_its_own_gets_no_others(operator, context, tmp_path, monkeypatch):
    shared = {"AWS_ACCESS_KEY_ID": "all", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "of all", "AWS_REGION": "here"}
    own = {"AWS_ACCESS_KEY_ID__FAKE": "fakes", "AWS_SECRET_ACCESS_KEY__FAKE": "own", "AWS_ACCESS_KEY_ID__OTHER": "others"}
    for name, value in (shared | own).items():
        monkeypatch.setenv(name, value)
    operator(show=str(tmp_path / "shown.json")).execute(context)
    env = read_shown(tmp_path / "shown.json")["env"]
    assert {name: value for name, value in env.items() if name.startswith(("AWS_ACC", "AWS_SEC", "AWS_SES", "AWS_REG"))} == {
        "AWS_ACCESS_KEY_ID": "fakes", "AWS_SECRET_ACCESS_KEY": "own", "AWS_REGION": "here",
    }  # fmt: skip


TOKENS = {
    "VISIONLOOP_LABELS_TOKEN__OLD_TREES": "token-of-old-trees", "VISIONLOOP_LABELS_TOKEN__CROWNS": "token-of-crowns",
    "VISIONLOOP_WEBHOOK_SECRET__OLD_TREES": "secret-of-webhooks",
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "token"),
    [
        ({"source": "old-trees", "service": {"url": "https://sama.example"}}, "token-of-old-trees"),
        ({"source": "oaks", "service": {"url": "https://sama.example"}}, None),
        ({"source": "old-trees", "service": None}, None),
        ({}, None),
    ],
    ids=["a service", "another's only", "files", "another step"],
)
def test_a_step_gets_the_token_of_its_own_source_and_no_other(operator, context, tmp_path, monkeypatch, config, token):
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    operator(show=str(tmp_path / "shown.json"), **config).execute(context)
    shown = read_shown(tmp_path / "shown.json")
    secret = {name: value for name, value in shown["env"].items() if "LABELS_TOKEN" in name or "WEBHOOK" in name}
    assert secret == ({"VISIONLOOP_LABELS_TOKEN": token} if token else {})
    assert not [value for value in TOKENS.values() if value in str(shown["argv"])]


def test_one_token_may_serve_all_sources(operator, context, tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_LABELS_TOKEN", "token-for-all")
    operator(show=str(tmp_path / "shown.json"), source="oaks", service={"url": "https://sama.example"}).execute(context)
    assert read_shown(tmp_path / "shown.json")["env"]["VISIONLOOP_LABELS_TOKEN"] == "token-for-all"
    operator(show=str(tmp_path / "shown.json")).execute(make_context(run_id="other"))
    assert "VISIONLOOP_LABELS_TOKEN" not in read_shown(tmp_path / "shown.json")["env"]


def test_a_token_is_in_no_file_of_the_job_and_masked_wherever_the_step_says_it(operator, context, monkeypatch):
    from airflow.sdk._shared.secrets_masker import redact

    monkeypatch.setenv("VISIONLOOP_LABELS_TOKEN__OAKS", "a-token-that-is-said-aloud")
    said = ["12:00:00 INFO fake: Authorization: a-token-that-is-said-aloud"]
    step = operator(say=said, sleep_s=1, source="oaks", service={"url": "https://sama.example"})
    written = []
    follow = step.follow

    def look(job, lines):
        written.extend(path.read_text() for path in folder(job).iterdir() if path.name != "log")
        follow(job, lines)

    monkeypatch.setattr(step, "follow", look)
    step.execute(context)
    assert written
    assert not [text for text in written if "said-aloud" in text]
    assert redact(said[0]) == "12:00:00 INFO fake: Authorization: ***"


def test_jobs_beside_each_other_get_a_gpu_each_and_a_step_without_sees_none(plate, tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_GPUS", "2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    hungry = plate.model_copy(update={"gpus": 1})
    steps, seen = {}, {}

    def start(job, wanted):
        shown = tmp_path / f"{job}.json"
        steps[job] = ProcessStepOperator(task_id="fake", plate=wanted, addresses={}, config={})
        steps[job].start(job, ["--config", json.dumps({"show": str(shown), "sleep_s": 60})], {}, {})
        wait_for(lambda: shown.exists() and shown.read_text())
        seen[job] = read_shown(shown)["env"]["CUDA_VISIBLE_DEVICES"]

    def end(job):
        steps[job].stop(job)
        steps.pop(job).remove(job)

    start("first", hungry)
    start("second", hungry)
    start("small", plate)
    end("first")
    start("third", hungry)
    for job in list(steps):
        end(job)
    assert seen == {"first": "0", "second": "1", "small": "", "third": "0"}


@pytest.mark.parametrize(("of_the_worker", "of_the_step"), [("3,5", "5"), ("GPU-a,GPU-b", "GPU-b"), ("3", ""), ("", "")])
def test_of_the_gpus_that_the_worker_may_use(monkeypatch, of_the_worker, of_the_step):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", of_the_worker)
    assert only([1]) == {"CUDA_VISIBLE_DEVICES": of_the_step}
