"""# labels_again__&lt;source&gt;: check a batch again that a rule or gate stopped

**When**: by hand, after the rule was changed; or to let the batch through as it is, with a reason, which its card keeps.
**Then**: the dataset DAGs that use this source start.
**Red**: it is stopped again, or there is no such batch: the failed task's last log line says which and what to do.
"""

from __future__ import annotations

from airflow.sdk import DAG

from include.definitions import SourceDefinition
from include.definitions.suites import told
from visionloop_airflow import assets, definitions, refs
from visionloop_airflow.container_step import container_step
from visionloop_airflow.forms import LET_THROUGH, again_form


def labels_again_dag(source: SourceDefinition) -> DAG:
    """One batch of a source, checked by the rules as they are now."""
    with DAG(
        f"labels_again__{source.name}",
        schedule=None,
        description=f"By hand: check a stopped batch of {source.name} again, or let it through.",
        doc_md=__doc__,
        tags=["labels", source.name, "by hand"],
        default_args={"owner": source.owner},
        params=again_form(),
        max_active_runs=1,
        catchup=False,
    ) as dag:
        container_step(
            "validate_annotations",
            batch=refs.label_batch(source.name, "{{ params.batch }}"),
            config=told(source) | LET_THROUGH,
            outlets=[assets.checked_labels(source.name)],
        )
    return dag


for definition in definitions.good(SourceDefinition):
    globals()[f"labels_again__{definition.name}"] = labels_again_dag(definition)
