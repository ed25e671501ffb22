"""What every DAG is given: `on_failure_callback=ON_CALL`, and for models a deadline.

The DAG's callback and not the tasks': it runs in the DAG processor, so also when a task was killed without a word.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from include.definitions import ModelDefinition


class OnCall(BaseNotifier):
    """Tells whoever include/alerting/ names that a run failed; or, with `late_after_h`, that it is late."""

    def __init__(self, late_after_h: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # a deadline's context comes in here
        self.late_after_h = late_after_h

    def notify(self, context: Any) -> None:
        from visionloop_airflow.oncall import alert, outbox

        outbox.tell(alert.of_failure(context, datetime.now(UTC)))

    async def async_notify(self, context: Any) -> None:
        from visionloop_airflow.oncall import alert, outbox

        run, hours = context["dag_run"], self.late_after_h or 0
        started = str(run["start_date"] or run["queued_at"])
        late = alert.of_lateness(run["dag_id"], run["dag_run_id"], started, hours, datetime.now(UTC))
        await asyncio.to_thread(outbox.tell, late)


ON_CALL = OnCall()


def deadline(model: ModelDefinition) -> DeadlineAlert:
    """Counted from when the run was queued: a run that cannot start is late, too."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=model.late_after_h),
        callback=AsyncCallback(OnCall, kwargs={"late_after_h": model.late_after_h}),
    )
