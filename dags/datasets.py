"""# dataset__&lt;name&gt;: a new version from the labels that were checked since the last one

**When**: a source of the dataset has newly checked labels. By hand: press *Trigger*; it takes in whatever is missing.
**Then**: the model DAGs that train on this dataset start.
**Grey (skipped)**: the labels changed nothing. Versions are immutable; a new one stores only what changed.
"""

from __future__ import annotations

from airflow.sdk import DAG, AssetAny

from include.definitions import DatasetDefinition
from visionloop_airflow import assets, definitions, refs
from visionloop_airflow.container_step import container_step
from visionloop_airflow.oncall.notifier import ON_CALL


def dataset_dag(dataset: DatasetDefinition) -> DAG:
    """From checked labels to a dataset version."""
    with DAG(
        f"dataset__{dataset.name}",
        schedule=AssetAny(*(assets.checked_labels(source) for source in dataset.sources)),
        description=dataset.description,
        doc_md=__doc__,
        tags=["dataset", dataset.name],
        default_args={"owner": dataset.owner},
        max_active_runs=1,
        on_failure_callback=ON_CALL,
        catchup=False,
    ) as dag:
        container_step(
            "build_dataset",
            labels=refs.checked_labels(dataset.sources),
            config={"name": dataset.name, "classes": list(dataset.classes)} | dataset.build_dataset,
            outlets=[assets.dataset(dataset.name)],
        )
    return dag


for definition in definitions.good(DatasetDefinition):
    globals()[f"dataset__{definition.name}"] = dataset_dag(definition)
