"""What a form's answers become: the step's inputs and configuration, with their types."""

import json
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture(scope="module")
def bag():
    return DagBag(dag_folder=str(DAGS), bundle_name="test")


@pytest.fixture
def rendered(bag):
    """The step as a run with these answers would start it: addresses and the JSON of its --config."""

    def render(operation, **answers):
        dag = bag.dags[f"dataset_{operation}"]
        params = {name: answers.get(name, dag.params.get_param(name).value) for name in dag.params}
        task = dag.task_dict["derive_dataset"].prepare_for_execution()
        task.render_template_fields({"params": params})
        return task.addresses, json.loads(json.dumps(task.config))

    return render


@pytest.mark.parametrize(
    ("operation", "answers", "parents", "config"),
    [
        (
            "filter",
            {"version": "trees:latest", "where": ["site == north", "width_px >= 640"]},
            "trees:latest",
            {"name": "trees", "do": {"operation": "filter", "where": ["site == north", "width_px >= 640"]}},
        ),
        (
            "exclude",
            {"version": "trees:v3", "where": ["annotator in 007,bob"], "name": "clean"},
            "trees:v3",
            {"name": "clean", "do": {"operation": "exclude", "where": ["annotator in 007,bob"]}},
        ),
        (
            "merge",
            {"versions": ["trees:v3", "signs:golden"], "labels": "union", "map": {"car": "vehicle", "bus": None}},
            "trees:v3,signs:golden",
            {
                "name": "trees",
                "do": {
                    "operation": "merge", "labels": "union", "splits": "protect", "map": {"car": "vehicle", "bus": None},
                    "map_of": {},
                },
            },
        ),
        (
            "transform",
            {"version": "trees:v3", "kind": "tile", "parameters": {"size_px": 512, "drop_empty": True, "min_visible": 0.5}},
            "trees:v3",
            {
                "name": "trees-tile",
                "do": {
                    "operation": "transform",
                    "how": {"kind": "tile", "size_px": 512, "drop_empty": True, "min_visible": 0.5},
                },
            },
        ),
        (
            "adopt",
            {"prefix": "inbox/old", "name": "old", "parameters": {"format": "coco"}},
            None,  # reaches the step as `parents=`
            {"name": "old", "do": {"operation": "adopt", "prefix": "inbox/old", "format": "coco"}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" not in value else "",
)  # fmt: skip
def test_answers_reach_the_step_with_their_types(rendered, operation, answers, parents, config):
    told = config | {"near_duplicates": {"action": "block"}}
    assert rendered(operation, **answers) == ({"parents": parents}, told)


@pytest.mark.parametrize(
    ("operation", "name", "wrong"),
    [
        ("filter", "version", "trees"),
        ("filter", "where", []),
        ("merge", "versions", ["trees:v1"]),
        ("merge", "versions", ["trees:v1", "two words"]),
        ("merge", "labels", "newest"),
        ("transform", "kind", "tyle"),
        ("transform", "parameters", "size_px"),
        ("transform", "name", "Capital"),
        ("alias", "alias", "two words"),
    ],
)
def test_the_form_refuses_nonsense(bag, operation, name, wrong):
    with pytest.raises(ValueError, match="Failed validating"):
        bag.dags[f"dataset_{operation}"].params.get_param(name).resolve(wrong)


def test_the_form_tells_of_every_kind_and_parameter(bag):
    said = bag.dags["dataset_transform"].params.get_param("parameters").schema["description_md"]
    for words in ("**tile**", "`overlap_px` (as large as the largest object", "**drop_small**", "`min_area_px2`", "**augment**"):
        assert words in said


def test_an_alias_is_moved_with_its_reason(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from include.storage import open_store
    from include.versions import aliases
    from tests.cli.cards import write_lineage
    from visionloop_airflow import operations

    url = f"file://{tmp_path}"
    monkeypatch.setenv("VISIONLOOP_STORE", url)
    write_lineage(open_store(url))
    run = SimpleNamespace(triggering_user_name="ada", run_type="manual")
    params = {"version": "trees:latest", "alias": "golden", "reason": "42"}
    operations.move_alias({"params": params, "dag_run": run})
    (move,) = aliases.history(open_store(url), "trees", "golden")
    assert (move.version, move.moved_by, move.reason) == ("v1", "ada", "42")
