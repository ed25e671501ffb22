"""Steps as plain local processes, in the environment that stands for their image: the embedded default, no Docker needed.

Each job has a folder <home>/steps/<job>/ with its pid, its log and, when it ended, its exit code. The process leads a
session of its own, so it outlives the worker that started it and can be ended with all that it started.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from include.errors import ConfigError
from include.step.plate import StepPlate
from visionloop_airflow import settings
from visionloop_airflow.gpus import GPUS_LABEL, chosen_gpus, gpus_label
from visionloop_airflow.log_lines import LogLines
from visionloop_airflow.outcomes import StepLost
from visionloop_airflow.step_job import StepJob

POLL_S = 0.2
OWNER = "owner.json"  # whose job it is, for the reaper
GRACE_S = 10
# The shell notes its own pid first and the exit code last, aside and then moved: a half-written code is never read.
SHELL = 'cd "$1"; shift; echo $$ >pid; "$@" >log 2>&1; echo $? >exit_code.tmp; mv exit_code.tmp exit_code'


def folder(job: str) -> Path:
    return settings.home() / "steps" / job


def shell_of(job: str) -> psutil.Process | None:
    """The job's living shell; a recycled pid is not it."""
    try:
        process = psutil.Process(int((folder(job) / "pid").read_text()))
        alive = process.status() != psutil.STATUS_ZOMBIE and str(folder(job)) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return process if alive else None


def session_of(job: str) -> list[psutil.Process]:
    """Every living process that the job started. Its shell leads a session, whose number stays taken while it has members."""
    try:
        leader = int((folder(job) / "pid").read_text())
        if shell_of(job) is None and psutil.Process(leader).status() != psutil.STATUS_ZOMBIE:
            return []  # a recycled pid: the job's session ended long ago
    except (OSError, ValueError):
        return []
    except psutil.NoSuchProcess:
        pass  # the shell is gone; what it started may not be
    return [process for process in psutil.process_iter() if _session(process.pid) == leader]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def stop_process(job: str) -> None:
    """SIGTERM to the job's whole session, SIGKILL to what is left after GRACE_S; also where its shell was killed alone."""
    family = session_of(job)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in family:
            with suppress(psutil.Error):
                process.send_signal(number)
        _, family = psutil.wait_procs(family, timeout=GRACE_S)


def gpus_in_use() -> Iterator[str]:
    """GPUS_LABEL of each living job of this installation that has GPUs."""
    for owner in (settings.home() / "steps").glob(f"*/{OWNER}"):
        with suppress(OSError, ValueError):  # it ends as we look
            if (label := json.loads(owner.read_text()).get(GPUS_LABEL)) and session_of(owner.parent.name):
                yield label


def only(gpus: list[int]) -> dict[str, str]:
    """The variable by which a step sees these GPUs and no others. Where the worker itself sees just some, of those."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = [str(one) for one in gpus] if seen is None else [name for one in gpus for name in seen.split(",")[one : one + 1]]
    return {"CUDA_VISIBLE_DEVICES": ",".join(numbers)}


class ProcessStepOperator(StepJob):
    """A step as a local process."""

    def __init__(self, *, plate: StepPlate, addresses: dict[str, str], config: dict[str, Any], **kwargs: Any) -> None:
        self.set_up(plate, addresses, config)
        self._shell: subprocess.Popen[bytes] | None = None
        super().__init__(**kwargs)

    def environment_name(self) -> str:
        return settings.lock_digest(self.plate.image)

    def start(self, job: str, arguments: list[str], environment: dict[str, str], labels: dict[str, str]) -> None:
        if shell_of(job) is not None:
            return  # an earlier try died between starting it and noting that it did
        python = settings.step_python(self.plate.image)
        if not python.exists():
            raise ConfigError(f"{python} does not exist: run `make setup`")
        stop_process(job)  # what a killed shell left behind would work beside us
        shutil.rmtree(folder(job), ignore_errors=True)
        folder(job).mkdir(parents=True)
        command = [str(python), "-u", "-m", f"tasks.{self.plate.name}", *arguments]
        with chosen_gpus(self.plate.gpus, gpus_in_use) as gpus:
            self._start(job, command, self._clean_environment() | environment | only(gpus), labels | gpus_label(gpus))

    def _start(self, job: str, command: list[str], environment: dict[str, str], labels: dict[str, str]) -> None:
        (folder(job) / OWNER).write_text(json.dumps(labels))
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", SHELL, "step", str(folder(job)), *command],
            env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @staticmethod
    def _clean_environment() -> dict[str, str]:
        """The worker's environment without Airflow's settings and secrets."""
        foreign = ("AIRFLOW", "_AIRFLOW", "VIRTUAL_ENV", "PYTHONPATH", *settings.NOT_INHERITED)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"PYTHONPATH": str(settings.ROOT)}

    def status(self, job: str) -> str:
        if (folder(job) / "exit_code").exists():
            return "finished"
        if shell_of(job) is not None:
            return "running"
        return "finished" if (folder(job) / "exit_code").exists() else "gone"  # it may have ended between the two looks

    def follow(self, job: str, lines: LogLines) -> None:
        log = folder(job) / "log"
        started = time.monotonic()
        while not log.exists():
            if self.status(job) != "running" and time.monotonic() - started > 5:  # the shell has not begun yet
                return
            time.sleep(POLL_S)
        with log.open("rb") as file:
            while True:
                running = self.status(job) == "running"  # asked before reading: what it wrote last is read below
                while data := file.read(65536):
                    lines.feed(data)
                if not running:
                    return
                time.sleep(POLL_S)

    def exit_code(self, job: str) -> tuple[int, bool]:
        try:
            return int((folder(job) / "exit_code").read_text()), False
        except FileNotFoundError:
            raise StepLost("the process was killed together with its shell") from None

    def stop(self, job: str) -> None:
        stop_process(job)

    def remove(self, job: str) -> None:
        if self._shell is not None:
            self._shell.wait(timeout=GRACE_S)  # it has ended, but is a zombie until its parent has looked
            self._shell = None
        shutil.rmtree(folder(job), ignore_errors=True)
