"""The whole loop in the process runtime: a real Airflow, MLflow, S3 server; new labels twice; everything killed at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time

import httpx
import psutil
import pytest

from cli.trace import as_dict, chain
from include.findings import checkings
from include.lineage import Lineage
from include.storage.addresses import ModelName
from tests.end_to_end import shapes
from tests.end_to_end.browser import logged_in
from tests.end_to_end.drill import known, visionloop
from tests.end_to_end.loop import DAGS, Loop, command_line
from tests.promql import PROMETHEUS_OWN, expressions, metrics

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    loop = Loop(tmp_path_factory.mktemp("loop"), epochs=4, VISIONLOOP_RUNTIME="process")
    try:
        loop.up()
        yield loop
    finally:
        loop.close()


def test_labels_that_land_become_a_champion(loop):
    shapes.deliver(loop.store, "day-1", first_seed=0)
    (decision,) = loop.decided(1)
    assert decision.decision == "promoted"
    assert loop.versions() == ["v1"]
    kinds = {dag_id: [run["run_type"] for run in loop.runs(dag_id)] for dag_id in DAGS}
    assert kinds == {dag_id: ["asset_triggered"] for dag_id in DAGS}


def test_the_champion_knows_where_it_comes_from(loop):
    version = Lineage().model_version(ModelName("shapes", "champion"))
    tags = version.tags
    assert tags["visionloop.dataset"] == "shapes:v1"
    assert tags["visionloop.dag_id"] == "model__shapes"
    assert tags["visionloop.started_by"] == "asset dataset/shapes"
    assert len(tags["visionloop.git_commit"].removesuffix("-dirty")) == 40
    assert tags["visionloop.environment"].startswith("lock:")
    run = Lineage().client.get_run(version.run_id)
    assert run.inputs.dataset_inputs[0].dataset.name == "shapes:v1"
    assert len(run.inputs.dataset_inputs[0].dataset.digest) == 32
    assert run.data.params["epochs"] == "4"
    assert len(Lineage().client.get_metric_history(version.run_id, "train/loss")) >= 4
    assert "test/ap50" in run.data.metrics
    link = as_dict(chain(loop.store, tags["visionloop.bundle"]))
    deliveries = []
    while link["made_from"]:
        link = link["made_from"][0]
        deliveries = link["card"].get("deliveries", deliveries)
    assert [one["item"] for one in deliveries] == ["inbox/shapes/day-1/annotations.json"]


def test_a_delivery_that_is_not_json_turns_red_with_its_own_line(loop):
    loop.store.write("inbox/shapes/broken/annotations.json", b"{ not json")
    loop.until(lambda: (one := loop.task("labels__shapes", "ingest_labels")) and one.state == "failed", "a red task")
    error = loop.api.error_line(loop.task("labels__shapes", "ingest_labels"))
    assert error.startswith("StepBadInput: ingest_labels: ")
    assert "inbox/shapes/broken/annotations.json" in error
    assert loop.task("labels__shapes", "ingest_labels").try_number == 1, "bad input is not tried again"


def test_in_a_browser_the_red_task_says_why_and_buttons_lead_to_what_was_made(loop):
    red = loop.task("labels__shapes", "ingest_labels")
    checked = loop.task("labels__shapes", "validate_annotations", run=0)
    trained = loop.task("model__shapes", "train_detector", run=0)
    built = loop.task("dataset__shapes", "build_dataset", run=0)
    with logged_in(loop.stack) as page:

        def page_of(task, tab=""):
            return f"{loop.api.url}/dags/{task.dag_id}/runs/{task.run_id}/tasks/{task.task_id}{tab}"

        def follow(task, link):
            page.goto(page_of(task, "/details"))
            page.goto(page.get_by_role("link", name=link).get_attribute("href"))

        page.goto(page_of(red))
        page.get_by_text("inbox/shapes/broken/annotations.json").first.wait_for()
        follow(checked, "Data Docs")
        page.get_by_text("shapes").first.wait_for()
        follow(trained, "MLflow run")
        page.wait_for_url("**/#/experiments/**")
        follow(built, "Dataset card")
        page.get_by_role("heading", name="shapes:v1").wait_for()
        assert page.locator("img").count() == 12
        page.get_by_role("link", name=re.compile("^shapes [0-9a-f]{16}$")).click()
        page.get_by_role("heading", name="Labels of shapes, batch").wait_for()
        page.goto(data_docs_of_champion())
        page.get_by_role("heading", name="Labels of shapes, batch").wait_for()
        follow(built, "Near duplicates")
        page.get_by_text("none like one of another split").wait_for()


def data_docs_of_champion():
    """The address that the champion's training names in MLflow."""
    run_id = Lineage().model_version(ModelName("shapes", "champion")).run_id
    return re.search(r"\((http\S+/data_docs/\S+)\)", Lineage().client.get_run(run_id).data.tags["mlflow.note.content"])[1]


def test_a_batch_that_a_gate_stops_is_red_teaches_nothing_and_its_button_says_why(loop):
    shapes.deliver(loop.store, "wrong", first_seed=50, classes=("Quadrat", "Scheibe"))
    name = ("labels__shapes", "validate_annotations")
    loop.until(lambda: (one := loop.task(*name)) and one.state == "failed", "a red task")
    red = loop.task(*name)
    assert red.try_number == 1
    assert "stopped by gate on known_class" in loop.api.error_line(red)
    assert [one.state for one in checkings(loop.store, "shapes")] == ["checked", "stopped"]
    assert loop.versions() == ["v1"]
    with logged_in(loop.stack) as page:
        page.goto(f"{loop.api.url}/dags/{red.dag_id}/runs/{red.run_id}/tasks/{red.task_id}/details")
        page.goto(page.get_by_role("link", name="Data Docs").get_attribute("href"))
        page.get_by_text("Stopped: nothing of this batch teaches.").wait_for()
        assert page.locator("img").count() == 12  # six of known_class; six of image_has_labels, which then nothing is drawn on
        assert page.get_by_text("class Quadrat").count() > 0


def test_a_killed_step_and_a_killed_scheduler_change_nothing_in_the_result(loop):
    before = len(loop.promotions())
    shapes.deliver(loop.store, "day-2", first_seed=100)
    training = loop.until(lambda: loop.processes("tasks.train_detector"), "the training to start")
    os.kill(training[-1].pid, signal.SIGKILL)
    loop.until(
        lambda: (one := loop.task("model__shapes", "train_detector")) and one.try_number == 2 and one.state == "running",
        "a retry",
    )
    (scheduler,) = [process for process in loop.processes("airflow", "scheduler") if process.ppid() != 1 and is_main(process)]
    scheduler.kill()
    decisions = loop.decided(before + 1)
    assert len(decisions) == before + 1
    assert loop.versions() == ["v1", "v2"]
    assert loop.task("model__shapes", "train_detector").state == "success"


def is_main(process: psutil.Process) -> bool:
    """The process that the supervisor started, not one of its workers."""
    return "supervisord" in command_line(process.parent())


def scraped(loop):
    """Each sample of /metrics: its name, labels and value."""
    lines = httpx.get(f"{loop.stack.url('monitoring')}/metrics").text.splitlines()
    found = [re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line) for line in lines if not line.startswith("#")]
    return [(one[1], dict(re.findall(r'(\w+)="([^"]*)"', one[2] or "")), float(one[3])) for one in found]


def test_prometheus_finds_each_number_that_a_rule_or_a_panel_asks_for(loop):
    asked = {name for text in expressions().values() for name in metrics(text)} - PROMETHEUS_OWN
    oldest = {f"visionloop_{name}_timestamp_seconds" for name in ("alerts_oldest_waiting", "source_oldest_pending")}
    asked -= oldest  # there only while something waits
    champion = ("visionloop_model_champion_version", {"model": "shapes"}, float(Lineage().champion("shapes").version))
    parts = [
        ("visionloop_airflow_component_healthy", {"component": part}, 1.0)
        for part in ("metadatabase", "scheduler", "triggerer", "dag_processor")
    ]

    def missing():
        """What comes with the next look, twice a minute, or with the end of the last test's run."""
        found = scraped(loop)
        return asked - {name for name, *_ in found} or [one for one in (champion, *parts) if one not in found]

    try:
        loop.until(lambda: not missing(), "every number", 300)
    except AssertionError:
        pytest.fail(f"not there: {missing()}")
    found = scraped(loop)
    ends = [labels for name, labels, _ in found if name == "airflow_dagrun_last_end_timestamp_seconds"]
    assert {"dag_id": "labels__shapes", "state": "failed"} in ends
    assert {"dag_id": "model__shapes", "state": "success"} in ends
    assert ("visionloop_statsd_lines_dropped_total", {}, 0.0) in found


def test_doctor_finds_nothing_wrong_with_it(loop):
    done = visionloop("doctor", "--embedded", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["check"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    assert {name: found[name] for name in ("store", "MLflow", "Airflow", "login", "DAGs", "Airflow's database")} == {
        "store": "ok", "MLflow": "ok", "Airflow": "ok", "login": "ok", "DAGs": "ok", "Airflow's database": "ok",
    }  # fmt: skip


def test_a_stack_that_was_lost_comes_back_from_its_backup(loop, tmp_path):
    before = known(loop)
    done = visionloop("backup", "--embedded", "--with-content", str(tmp_path / "b"))
    assert done.returncode == 0, done.stdout + done.stderr
    loop.down()
    assert [command_line(process) for process in loop.processes()] == []
    assert visionloop("doctor", "--embedded").returncode == 1
    for lost in ("s3", "airflow"):
        shutil.rmtree(loop.home.path / lost)
    (loop.home.path / "mlflow.db").unlink()
    done = visionloop("restore", "--embedded", "--yes", str(tmp_path / "b"))
    assert done.returncode == 0, done.stdout + done.stderr
    loop.up()
    assert known(loop) == before


def test_after_a_power_cut_the_loop_ends_as_if_nothing_had_happened(loop):
    """In the stack of the last test: one that came back from a backup goes on."""
    before = len(loop.promotions())
    shapes.deliver(loop.store, "day-3", first_seed=200)
    loop.until(lambda: loop.processes("tasks.train_detector"), "the training to start")
    time.sleep(2)
    assert loop.kill_everything() > 6
    assert loop.processes() == []
    loop.up()
    decisions = loop.decided(before + 1)
    assert len(decisions) == before + 1
    assert loop.versions() == ["v1", "v2", "v3"]
    registered = Lineage().client.search_model_versions("name = 'shapes'")
    assert len(registered) == len(decisions)
    champion = Lineage().champion("shapes")
    promoted = [decision for decision in decisions if decision.decision == "promoted"]
    assert champion.version == promoted[-1].champion_after
