"""Airflow's pool `gpu`: a slot for each GPU, so that no two trainings share one. Whoever starts first makes it."""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

from visionloop_airflow import settings

GPU_POOL = "gpu"
MEANING = "GPUs that steps may use at once; made with VISIONLOOP_GPUS slots, yours to change"
log = logging.getLogger(__name__)


def make_gpu_pool() -> None:
    """A task waits without end for a pool that does not exist. One that is there stays as somebody set it."""
    from airflow.models.pool import Pool  # the database's side of Airflow, which no worker sees
    from sqlalchemy.exc import IntegrityError

    if not settings.may_use_gpus() or Pool.get_pool(GPU_POOL) is not None:
        return
    try:
        Pool.create_or_update_pool(GPU_POOL, settings.gpus(), MEANING, include_deferred=False)
        log.info("made pool %s with %s slots (VISIONLOOP_GPUS)", GPU_POOL, settings.gpus())
    except IntegrityError:  # scheduler, triggerer and dag-processor start at the same time
        return


class GpuPool:
    """The listener that the plugin registers."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Called as the scheduler, the triggerer or the dag-processor starts."""
        make_gpu_pool()
