import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from visionloop_airflow.approval import NOT_APPROVED
from visionloop_airflow.oncall.notifier import OnCall

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
OPERATIONS = ("filter", "exclude", "merge", "transform", "adopt")
EDGES = {
    "labels__trees": {("ingest_labels", "validate_annotations")},
    "labels_again__trees": set(),
    "dataset__trees": set(),
    "model__trees": {
        ("train_detector", "pack_model"),
        ("train_detector", "test_bundle"),
        ("pack_model", "evaluate_model"),
        ("pack_model", "test_bundle"),
        ("pack_model", "promote_model"),
        ("evaluate_model", "promote_model"),
        ("test_bundle", "promote_model"),
    },
    "review__trees": set(),
    "reap_steps": set(),
    "storage_audit": set(),
    "dataset_alias": set(),
    **{f"dataset_{name}": set() for name in OPERATIONS},
}
TASKS = {
    "labels__trees": {"ingest_labels", "validate_annotations"},
    "labels_again__trees": {"validate_annotations"},
    "dataset__trees": {"build_dataset"},
    "model__trees": {"train_detector", "pack_model", "evaluate_model", "test_bundle", "promote_model"},
    "review__trees": {"find_label_errors"},
    "reap_steps": {"reap_steps", "send_alerts"},
    "storage_audit": {"audit_storage"},
    "dataset_alias": {"move_alias"},
    **{f"dataset_{name}": {"derive_dataset"} for name in OPERATIONS},
}
# whatever the definitions say
BY_HAND = {"reap_steps", "storage_audit", "dataset_alias", *(f"dataset_{name}" for name in OPERATIONS)}


@pytest.fixture(scope="module")
def bag():
    assert DAGS.is_dir()  # a missing folder would give no DAGs and no errors
    return DagBag(dag_folder=str(DAGS), bundle_name="test")


def load(folder):
    return DagBag(dag_folder=str(folder), bundle_name="test")


def test_the_dags_and_their_edges(bag):
    assert bag.import_errors == {}
    assert {dag_id: set(dag.task_ids) for dag_id, dag in bag.dags.items()} == TASKS
    edges = {
        dag_id: {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}
        for dag_id, dag in bag.dags.items()
    }
    assert edges == EDGES


def test_every_dag_says_what_it_is_and_whom_to_ask(bag):
    for dag in bag.dags.values():
        assert dag.doc_md
        assert dag.doc_md.startswith(f"# {dag.dag_id.partition('__')[0]}")
        assert dag.tags
        assert dag.description
        assert dag.max_active_runs == 1
        assert isinstance(dag.on_failure_callback, OnCall)
        assert all(task.owner not in ("", "airflow") for task in dag.tasks)


@pytest.mark.parametrize(("gpus", "pool"), [(None, "gpu"), ("2", "gpu"), ("0", "default_pool")])
def test_training_waits_for_a_gpu_where_there_are_any(monkeypatch, gpus, pool):
    monkeypatch.delenv("VISIONLOOP_GPUS", raising=False)
    if gpus:
        monkeypatch.setenv("VISIONLOOP_GPUS", gpus)
    pools = {task.task_id: task.pool for task in load(DAGS).dags["model__trees"].tasks}
    assert pools.pop("train_detector") == pool
    assert set(pools.values()) == {"default_pool"}


def test_every_dag_survives_serialisation(bag):
    for dag in bag.dags.values():
        again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert again.dag_id == dag.dag_id


def test_each_dag_is_started_by_the_asset_of_the_one_before(bag):
    def outlets(dag_id, task_id):
        return {asset.name for asset in bag.dags[dag_id].task_dict[task_id].outlets}

    def awaited(dag_id):
        condition = bag.dags[dag_id].timetable.asset_condition
        return {asset.name for asset in getattr(condition, "objects", [condition])}

    assert awaited("labels__trees") == {"delivered/trees"}
    assert outlets("labels__trees", "validate_annotations") == awaited("dataset__trees") == {"labels/trees"}
    assert outlets("dataset__trees", "build_dataset") == awaited("model__trees") == {"dataset/trees"}
    assert outlets("model__trees", "promote_model") == {"champion/trees"}
    for name in OPERATIONS:  # the form says which dataset: the event names it (tests/plugins/test_outlet_events.py)
        assert outlets(f"dataset_{name}", "derive_dataset") == {"whichever_dataset"}
        assert bag.dags[f"dataset_{name}"].schedule is None


def test_the_form_takes_the_definitions_values_and_refuses_nonsense(bag):
    params = bag.dags["model__trees"].params
    assert params["dataset_version"] == "latest"
    assert params["warm_start"] == "champion"
    assert isinstance(params["epochs"], int)
    for name, wrong in [("dataset_version", "newest"), ("epochs", 0), ("warm_start", "maybe")]:
        with pytest.raises(ValueError, match=f"{wrong!r}"):
            params.get_param(name).resolve(wrong)


def test_links_lead_to_the_runs_pages(bag):
    names = {task.task_id: [link.name for link in task.operator_extra_links] for dag in bag.dags.values() for task in dag.tasks}
    assert names["train_detector"] == ["MLflow run"]
    assert names["ingest_labels"] == ["Report"]
    assert names["validate_annotations"] == ["Data Docs"]
    assert names["evaluate_model"] == ["Report", "MLflow run"]
    assert names["audit_storage"] == ["Report"]
    assert names["find_label_errors"] == ["Report"]


def test_a_broken_version_is_used_only_where_the_form_says_so(bag):
    dag = bag.dags["model__trees"]
    assert dag.params["force_broken"] is False
    for step in ("train_detector", "evaluate_model"):
        assert dag.task_dict[step].config["force_broken"] == "{{ params.force_broken }}"


@pytest.fixture
def definitions(tmp_path, monkeypatch):
    """An include/ folder of one's own."""
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    return write


def test_a_broken_definition_is_named_and_the_others_keep_their_dags(definitions):
    definitions("models/good.yaml", "owner: ada\ndataset: cells")
    definitions("datasets/cells.yaml", "owner: ada\nsources: [lab, clinic]\nclasses: [cell]")
    definitions("sources/lab.yaml", "owner: ada\nkind: coco\nprefix: inbox/lab\npol_every_s: 5")
    bag = load(DAGS)
    assert {"model__good", "dataset__cells"} <= bag.dags.keys()
    ((file, error),) = bag.import_errors.items()
    assert file.endswith("broken_definitions.py")
    assert "sources/lab.yaml: pol_every_s: unknown key; is it spelt right?" in error
    assert "include/datasets/cells.yaml: sources: got 'clinic', expected one of ['lab']" in error


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        (
            "models/wrong.yaml",
            "train_detector: {epochs: many}",
            "models/wrong.yaml: train_detector.epochs: 'many' is not of type",
        ),
        (
            "models/wrong.yaml",
            "train_detector: {epochs: 0}",
            "models/wrong.yaml: train_detector.epochs: 0 is less than the minimum",
        ),
        ("models/wrong.yaml", "train_detector: {warm_start: true}", "models/wrong.yaml: train_detector.warm_start: True is not"),
        (
            "models/wrong.yaml",
            "find_label_errors: {splits: [all]}",
            "models/wrong.yaml: find_label_errors.splits: 'all' is not one of",
        ),
        (
            "models/wrong.yaml",
            "review: now and then",
            "models/wrong.yaml: review: got 'now and then', expected a cron expression",
        ),
        ("models/wrong.yaml", "nightly: sometimes", "models/wrong.yaml: nightly: got 'sometimes', expected a cron expression"),
        (
            "sources/wrong.yaml",
            "validate_annotations: {classes: {a: b}, rules: {box_min_side: {side: 1}}}",
            "sources/wrong.yaml, validate_annotations: rules.box_min_side.side: got 1: no such parameter",
        ),
        (
            "sources/wrong.yaml",
            "validate_annotations: {classes: {a: b}, suites: [strict]}",
            "sources/wrong.yaml, validate_annotations: suites: got 'strict', expected one of detector",
        ),
        ("sources/wrong.yaml", "sweep: 99 * * * *", "sources/wrong.yaml: sweep: got '99 * * * *', expected a cron expression"),
    ],
    ids=[
        "not a number",
        "too small",
        "not a choice",
        "no such split",
        "not a time to review",
        "not a cron",
        "no such parameter",
        "no such suite",
        "no such minute",
    ],
)
def test_a_value_of_which_no_dag_can_be_made_is_named_too(definitions, file, line, said):
    definitions("sources/lab.yaml", "owner: ada\nkind: coco\nprefix: inbox/lab")
    definitions("datasets/cells.yaml", "owner: ada\nsources: [lab]\nclasses: [cell]")
    definitions("models/good.yaml", "owner: ada\ndataset: cells")
    needed = {"models": "owner: ada\ndataset: cells", "sources": "owner: ada\nkind: coco\nprefix: inbox/x"}
    definitions(file, f"{needed[file.split('/')[0]]}\n{line}")
    bag = load(DAGS)
    labels = {"labels__lab", "labels_again__lab"}
    assert bag.dags.keys() == {*labels, "dataset__cells", "model__good", "review__good", *BY_HAND}
    (error,) = bag.import_errors.values()
    assert f"include/{said}" in error


@pytest.mark.parametrize(
    ("section", "tasks"), [("", set()), ("spot_check: {sample: 50}", {"spot_check"})], ids=["without", "with"]
)
def test_a_sample_is_drawn_where_a_source_says_so_and_nothing_waits_for_it(definitions, section, tasks):
    definitions("sources/lab.yaml", f"owner: ada\nkind: coco\nprefix: inbox/lab\n{section}")
    definitions("datasets/cells.yaml", "owner: ada\nsources: [lab]\nclasses: [cell]")
    dag = load(DAGS).dags["labels__lab"]
    assert dag.task_dict["validate_annotations"].downstream_task_ids == tasks
    for name in tasks:
        assert dag.task_dict[name].downstream_task_ids == set()


@pytest.fixture
def orchard(definitions):
    """A model whose labels come from two services and from files."""
    for name in ("north", "south"):
        definitions(f"sources/{name}.yaml", "owner: ada\nkind: cvat\nservice: {url: 'http://cvat.example', project: '07'}")
    definitions("sources/files.yaml", "owner: ada\nkind: coco\nprefix: inbox/files")
    definitions("datasets/trees.yaml", "owner: ada\nsources: [north, files, south]\nclasses: [tree]")

    def review(*lines):
        definitions("models/trees.yaml", "\n".join(("owner: ada", "dataset: trees", *lines)))
        bag = load(DAGS)
        assert bag.import_errors == {}
        return bag.dags["review__trees"]

    return review


def test_suspects_go_to_each_service_only_after_a_person_has_approved(orchard):
    dag = orchard("return_suspects: {most: 20, kinds: [missing]}")
    edges = {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}
    told = {"north.return_suspects", "south.return_suspects"}
    assert edges == {
        ("find_label_errors", "approve"),
        *((before, one) for one in told for before in ("find_label_errors", "approve")),
    }
    approve = dag.task_dict["approve"]
    assert (approve.options, approve.defaults, approve.response_timeout.days) == (["Approve", "Reject"], ["Reject"], 3)
    assert "/artifacts/runs/{{ dag.dag_id }}/" in approve.body
    config = dag.task_dict["north.return_suspects"].config
    assert (config["source"], config["kind"], config["kinds"], config["service"]["project"]) == (
        "north",
        "cvat",
        ["missing"],
        "07",
    )
    for answer, most in (
        ({"chosen_options": ["Approve"], "params_input": {"most": 7}}, "7"),
        ({"chosen_options": ["Approve"], "params_input": {}}, "20"),
        ({"chosen_options": ["Approve"], "params_input": None}, "20"),
        ({"chosen_options": ["Reject"], "params_input": {"most": 7}}, NOT_APPROVED),
        (None, NOT_APPROVED),  # marked as a success by who may not approve
    ):
        ti = SimpleNamespace(xcom_pull=lambda task_ids, answer=answer: answer if task_ids == "approve" else None)
        assert jinja2.Template(config["most"]).render(ti=ti) == most
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).dag_id == "review__trees"


@pytest.mark.parametrize(
    ("line", "schedule"),
    [("review: by hand", None), ("review: new champion", {"champion/trees"}), ("review: 0 6 * * 1", "0 6 * * 1")],
    ids=["by hand", "new champion", "weekly"],
)
def test_a_review_starts_when_the_definition_says(orchard, line, schedule):
    dag = orchard(line)
    if schedule is None:
        assert dag.schedule is None
    elif isinstance(schedule, str):
        assert dag.schedule.expression == schedule
    else:
        condition = dag.timetable.asset_condition
        assert {asset.name for asset in getattr(condition, "objects", [condition])} == schedule


def test_what_the_review_form_says_reaches_the_step(bag):
    dag = bag.dags["review__trees"]
    assert (dag.params["splits"], dag.params["most"], dag.params["min_score"]) == (["test", "val", "train"], 1000, 0.1)
    config = dag.task_dict["find_label_errors"].config
    assert (config["model"], config["splits"]) == ("trees", "{{ params.splits | join(',') }}")
    for name, wrong in [("splits", []), ("most", 0), ("min_score", 1)]:
        with pytest.raises(ValueError, match="Failed validating"):
            dag.params.get_param(name).resolve(wrong)


def test_suspects_that_nobody_can_be_told_of_are_named(definitions):
    definitions("sources/lab.yaml", "owner: ada\nkind: coco\nprefix: inbox/lab")
    definitions("datasets/cells.yaml", "owner: ada\nsources: [lab]\nclasses: [cell]")
    definitions("models/wrong.yaml", "owner: ada\ndataset: cells\nreturn_suspects: {}")
    (error,) = load(DAGS).import_errors.values()
    assert "include/models/wrong.yaml: return_suspects: no source of dataset 'cells' is a labelling service" in error


def test_unvalidated_labels_cannot_be_versioned(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "from airflow.sdk import DAG\n"
        "from visionloop_airflow import refs\n"
        "from visionloop_airflow.container_step import container_step\n"
        "with DAG('wrong') as dag:\n"
        "    container_step('build_dataset', labels=refs.label_batches(['trees']))\n"
    )
    bag = load(tmp_path)
    assert not bag.dags
    assert "input labels is wired with a label_batch[], expected checked_labels[] (tasks/build_dataset/step.toml)" in next(
        iter(bag.import_errors.values())
    )


def test_a_dag_file_is_a_sentence_without_heavy_imports():
    for path in DAGS.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 60, path
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(text))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert imported <= {"__future__", "airflow", "include", "visionloop_airflow", "datetime"}, path


def test_parsing_imports_nothing_heavy():
    code = (
        "import sys; from airflow.dag_processing.dagbag import DagBag\n"
        f"assert DagBag({str(DAGS)!r}, bundle_name='t').dags\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'great_expectations', 'mlflow', 'docker', 'tasks'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
