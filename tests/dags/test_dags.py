import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

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
    "reap_steps": {"reap_steps"},
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
        assert all(task.owner not in ("", "airflow") for task in dag.tasks)


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
        ("models/wrong.yaml", "train_detector: {warm_start: yes}", "models/wrong.yaml: train_detector.warm_start: True is not"),
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
    ids=["not a number", "too small", "not a choice", "not a cron", "no such parameter", "no such suite", "no such minute"],
)
def test_a_value_of_which_no_dag_can_be_made_is_named_too(definitions, file, line, said):
    definitions("sources/lab.yaml", "owner: ada\nkind: coco\nprefix: inbox/lab")
    definitions("datasets/cells.yaml", "owner: ada\nsources: [lab]\nclasses: [cell]")
    definitions("models/good.yaml", "owner: ada\ndataset: cells")
    needed = {"models": "owner: ada\ndataset: cells", "sources": "owner: ada\nkind: coco\nprefix: inbox/x"}
    definitions(file, f"{needed[file.split('/')[0]]}\n{line}")
    bag = load(DAGS)
    assert bag.dags.keys() == {"labels__lab", "labels_again__lab", "dataset__cells", "model__good", *BY_HAND}
    (error,) = bag.import_errors.values()
    assert f"include/{said}" in error


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
