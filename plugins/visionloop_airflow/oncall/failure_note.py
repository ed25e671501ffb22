"""What a failed task said last, kept beside what it made: the alert is written by another process, without the task's log."""

from __future__ import annotations

import json
import logging

from airflow.sdk.log import redact  # type: ignore[attr-defined]  # exported as mask_secret is, but not in __all__

from include.storage.addresses import task_folder
from visionloop_airflow.oncall.in_time import store_now

log = logging.getLogger(__name__)
NOTE = "failure.json"


def write_note(dag_id: str, run_id: str, task_id: str, try_number: int, error: BaseException) -> None:
    """Without secrets. A store that cannot be written is no second failure: it may well be the first one's cause."""
    said = json.dumps({"try_number": try_number, "error": str(redact(str(error)))})
    try:
        store_now().write(f"{task_folder(dag_id, run_id, task_id)}/{NOTE}", said.encode())
    except Exception as why:
        log.warning("the alert will not have this error: %s", why)


def read_note(dag_id: str, run_id: str, task_id: str, try_number: int) -> str | None:
    """The error of this try; None where it left none: it was killed, or the store does not answer."""
    try:
        said = json.loads(store_now().read(f"{task_folder(dag_id, run_id, task_id)}/{NOTE}"))
    except Exception as why:
        log.info("no last word of %s: %s", task_id, why)
        return None
    return str(said["error"]) if said["try_number"] == try_number else None
