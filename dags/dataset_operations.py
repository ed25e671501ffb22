"""dataset_filter, _exclude, _merge, _transform, _adopt: what people do with dataset versions, each with a form.

Only by hand. A version that one of them makes starts the model DAGs that train on its dataset, as a nightly one does.
"""

from __future__ import annotations

from airflow.sdk import DAG

from visionloop_airflow import assets, operations, refs
from visionloop_airflow.container_step import container_step
from visionloop_airflow.oncall.notifier import ON_CALL


def operation_dag(operation: operations.Operation) -> DAG:
    """From the form's answers to a dataset version."""
    with DAG(
        f"dataset_{operation.name}",
        schedule=None,
        description=f"By hand: {operation.description}.",
        doc_md=operation.doc,
        tags=["dataset", "by hand"],
        default_args={"owner": "visionloop"},
        params=operation.form,
        render_template_as_native_obj=True,
        max_active_runs=1,
        on_failure_callback=ON_CALL,
        catchup=False,
    ) as dag:
        container_step(
            "derive_dataset",
            parents=refs.dataset_versions(operation.parents),
            config=operation.config,
            outlets=[assets.whichever_dataset()],
        )
    return dag


for one in operations.OPERATIONS:
    globals()[f"dataset_{one.name}"] = operation_dag(one)
