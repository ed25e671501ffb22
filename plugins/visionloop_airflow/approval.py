"""A person looks at what a step found and says whether the run goes on: *Required Actions* in Airflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from include.definitions import ModelDefinition
from visionloop_airflow.links import base_url

PATIENCE = timedelta(days=3)  # then the answer is no: a run that waits holds back the next one
MOST = 50  # where a model's definition names none; tasks/return_suspects/config.py has the same
ASKED = "approve"
# A task can be marked as a success by who may not approve: then there is no answer, and what the step is told is no number.
NOT_APPROVED = f"nobody approved this: clear the task {ASKED}, and answer it under Required Actions"
ANSWERED_MOST = (
    f"{{% set said = ti.xcom_pull(task_ids='{ASKED}') or {{}} %}}"
    "{{ (said.get('params_input') or {}).get('most', <most>) if 'Approve' in said.get('chosen_options', []) else '<not>' }}"
)


def ask_about_suspects(model: ModelDefinition) -> Any:
    """The task that waits. Rejected, or not answered in time: what follows is skipped."""
    from airflow.providers.standard.operators.hitl import ApprovalOperator  # only for those who want it: a third of a second

    run = "{{ run_id | replace(':', '_') | replace('+', '_') }}"
    page = f"{base_url()}/artifacts/runs/{{{{ dag.dag_id }}}}/{run}/find_label_errors/report.html"
    return ApprovalOperator(
        task_id=ASKED,
        subject=f"Send the likeliest label errors that {model.name} found to the annotators?",
        body=f"Look at the [report]({page}) first. Annotators are told of each, and the work is opened again.",
        params={"most": Param(most_of(model), type="integer", minimum=1, title="How many", description_md="The likeliest.")},
        defaults="Reject",
        response_timeout=PATIENCE,
    )


def most_of(model: ModelDefinition) -> int:
    return int((model.return_suspects or {}).get("most", MOST))


def answered_most(model: ModelDefinition) -> str:
    """A template: how many the person said, who approved; without an approval, a sentence that no step takes for a number."""
    return ANSWERED_MOST.replace("<most>", str(most_of(model))).replace("<not>", NOT_APPROVED)
