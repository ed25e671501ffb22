"""# model__&lt;name&gt;: train, pack, score against the champion, and promote if better

**When**: the dataset has a new version, and nightly. By hand: press *Trigger* and choose version, epochs, warm start.
**Grey (skipped) promote_model**: the challenger did not beat the champion; the champion still serves.
**Red**: the failed task's last log line says why. The champion still serves: nothing is promoted by half.
**See**: *MLflow run* on `train_detector`, *Report* on `evaluate_model`.
"""

from __future__ import annotations

from airflow.sdk import DAG, AssetOrTimeSchedule

from include.definitions import ModelDefinition
from visionloop_airflow import assets, definitions, refs
from visionloop_airflow.container_step import container_step
from visionloop_airflow.forms import CHOSEN, FORCED, training_form
from visionloop_airflow.oncall.notifier import ON_CALL, deadline


def model_dag(model: ModelDefinition) -> DAG:
    """From a dataset version to a decision on the champion."""
    with DAG(
        f"model__{model.name}",
        schedule=AssetOrTimeSchedule(timetable=assets.at(model.nightly), assets=assets.dataset(model.dataset)),
        description=model.description,
        doc_md=__doc__,
        tags=["model", model.name],
        default_args={"owner": model.owner},
        params=training_form(model),
        max_active_runs=1,
        on_failure_callback=ON_CALL,
        deadline=deadline(model),
        catchup=False,
    ) as dag:
        dataset = refs.dataset(model.dataset, "{{ params.dataset_version }}")
        checkpoint = container_step(
            "train_detector", dataset=dataset, config={"model": model.name} | model.train_detector | CHOSEN | FORCED
        )
        bundle = container_step("pack_model", checkpoint=checkpoint, config=model.pack_model)
        report = container_step("evaluate_model", bundle=bundle, dataset=dataset, config=model.evaluate_model | FORCED)
        parity = container_step("test_bundle", checkpoint=checkpoint, bundle=bundle, config=model.test_bundle)
        container_step(
            "promote_model",
            bundle=bundle,
            report=report,
            parity=parity,
            config=model.promote_model,
            outlets=[assets.champion(model.name)],
        )
    return dag


for definition in definitions.good(ModelDefinition):
    globals()[f"model__{definition.name}"] = model_dag(definition)
