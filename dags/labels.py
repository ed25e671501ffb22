"""# labels__&lt;source&gt;: take in what was delivered, and check it

**When**: as soon as a delivery is complete at the source, and nightly as a sweep.
**Then**: the dataset DAGs that use this source start.
**Red**: a delivery could not be read, a definition is wrong, or a rule or gate stopped the batch: the failed task's last log line
says which and what to do. A stopped batch is checked again by *labels_again__&lt;source&gt;*.
**Grey (skipped)**: nothing new. Labels that broke a rule do not make it red: see *Data Docs* on `validate_annotations`.
"""

from __future__ import annotations

from airflow.sdk import DAG, AssetOrTimeSchedule

from include.definitions import SourceDefinition
from include.definitions.suites import told
from visionloop_airflow import assets, definitions
from visionloop_airflow.container_step import container_step


def labels_dag(source: SourceDefinition) -> DAG:
    """From a source's new deliveries to checked labels."""
    with DAG(
        f"labels__{source.name}",
        schedule=AssetOrTimeSchedule(timetable=assets.at(source.sweep), assets=assets.delivered(source)),
        description=source.description,
        doc_md=__doc__,
        tags=["labels", source.name],
        default_args={"owner": source.owner},
        max_active_runs=1,
        catchup=False,
    ) as dag:
        name = {"source": source.name}
        place = {"kind": source.kind, "prefix": source.prefix, "service": source.service}
        batch = container_step("ingest_labels", config=name | place | source.ingest_labels)
        checked = container_step(
            "validate_annotations",
            batch=batch,
            config=told(source),
            outlets=[assets.checked_labels(source.name)],
        )
        if source.return_labels is not None:
            service = {"kind": source.kind, "service": source.service}
            container_step("return_labels", batch=batch, checked=checked, config=name | service | source.return_labels)
    return dag


for definition in definitions.good(SourceDefinition):
    globals()[f"labels__{definition.name}"] = labels_dag(definition)
