"""No two trainings share a GPU: they wait for a slot of Airflow's pool `gpu`, and each job gets one that no other has."""

from __future__ import annotations

import fcntl
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.listeners import hookimpl

from visionloop_airflow import settings

GPU_POOL = "gpu"
GPUS_LABEL = "visionloop.gpus"  # on a job: the numbers of its GPUs, as nvidia-smi has them
MEANING = "GPUs that steps may use at once; made with VISIONLOOP_GPUS slots, yours to change"
log = logging.getLogger(__name__)


@contextmanager
def chosen_gpus(wanted: int, labels_in_use: Callable[[], Iterable[str]]) -> Iterator[list[int]]:
    """The numbers of the GPUs for a job, which starts inside the `with`: those that the fewest running jobs have.

    `labels_in_use` gives GPUS_LABEL of each running job. Nobody else on this machine chooses meanwhile.
    """
    if not wanted or not settings.may_use_gpus():
        yield []
        return
    settings.home().mkdir(parents=True, exist_ok=True)
    with open(settings.home() / "gpus.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users = Counter(number for label in labels_in_use() for number in label.split(",") if number)
        yield sorted(range(settings.gpus()), key=lambda number: (users[str(number)], number))[:wanted]


def gpus_label(gpus: list[int]) -> dict[str, str]:
    return {GPUS_LABEL: ",".join(map(str, gpus))} if gpus else {}


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
