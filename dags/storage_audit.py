"""# storage_audit: is every byte that a dataset version names there, whole and unchanged?

**When**: nightly. By hand: press *Trigger*; one dataset only, or *Read everything*, which also finds rot beneath the server.
**Red**: something is damaged: the last log line names versions, models and aliases; *Report* lists the objects. The versions are
marked: training, evaluation and derivation refuse them.
**To mend**: put the objects back from the bucket's backup and trigger it anew: versions found whole lose their mark. (Clearing
the red task only repeats what it said.) From a terminal: `visionloop dataset verify --all`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from visionloop_airflow import assets
from visionloop_airflow.container_step import container_step
from visionloop_airflow.forms import AUDITED, audit_form
from visionloop_airflow.oncall.notifier import ON_CALL

with DAG(
    "storage_audit",
    schedule=assets.at("0 5 * * *"),
    description="Proves that no dataset version lost or changed a byte, and marks those that did.",
    doc_md=__doc__,
    tags=["housekeeping"],
    default_args={"owner": "visionloop"},
    params=audit_form(),
    max_active_runs=1,
    on_failure_callback=ON_CALL,
    catchup=False,
):
    container_step("audit_storage", config=AUDITED)
