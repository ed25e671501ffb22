"""# review__&lt;name&gt;: which labels does the champion hold for wrong?

**When**: by hand: press *Trigger* and choose version, splits, how many. `review:` in the model's definition may name a time, or
`new champion`.
**See**: *Report* on `find_label_errors`: missing, spurious, swapped and misplaced boxes with pictures, the likeliest first.
**Waiting** on `approve` (where the definition has `return_suspects`): look at the report, then say under *Required Actions*
whether annotators are told. Without an answer in three days: no.
**Grey (skipped)**: there is no champion yet; the answer was no; or nothing new is to be told.
"""

from __future__ import annotations

from airflow.sdk import DAG, TaskGroup

from include.definitions import ModelDefinition
from visionloop_airflow import approval, assets, definitions, refs
from visionloop_airflow.container_step import container_step
from visionloop_airflow.forms import REVIEWED, review_form
from visionloop_airflow.oncall.notifier import ON_CALL


def review_dag(model: ModelDefinition) -> DAG:
    """From a dataset version to a report, and on to the annotators if a person says so."""
    with DAG(
        f"review__{model.name}",
        schedule=assets.reviewed(model),
        description=f"Label errors in {model.dataset}, as the champion of {model.name} sees them.",
        doc_md=__doc__,
        tags=["review", model.name],
        default_args={"owner": model.owner},
        params=review_form(model),
        max_active_runs=1,
        on_failure_callback=ON_CALL,
        catchup=False,
    ) as dag:
        dataset = refs.dataset(model.dataset, "{{ params.dataset_version }}")
        found = container_step(
            "find_label_errors", dataset=dataset, config={"model": model.name} | model.find_label_errors | REVIEWED
        )
        if model.return_suspects is not None:
            approved = approval.ask_about_suspects(model)
            for source in definitions.services_of(model):
                with TaskGroup(source.name):
                    place = {"source": source.name, "kind": source.kind, "service": source.service}
                    section = model.return_suspects | {"most": approval.answered_most(model)}
                    found >> approved >> container_step("return_suspects", review=found, config=place | section)
    return dag


for definition in definitions.good(ModelDefinition):
    globals()[f"review__{definition.name}"] = review_dag(definition)
