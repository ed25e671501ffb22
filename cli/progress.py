"""What a person at the terminal sees while the loop runs: a line per finished step, and what is going on now."""

from __future__ import annotations

import re
import time

from rich.console import Console
from rich.status import Status

from cli.airflow_api import AirflowApi, TaskState
from cli.summary import outcome
from include.artifacts import KINDS
from include.step.plate import read_plate
from include.storage import Store
from include.storage.addresses import CARD, task_folder

DONE = {"success": "✔", "skipped": "–", "failed": "✘", "upstream_failed": "·", "up_for_retry": "↻"}
SPEAK_EVERY_S = 20.0  # without a terminal: a line now and then, not a bar


class Progress:
    """Prints each task once per state; between, a status line (on a terminal) or a line every 20 s."""

    def __init__(self, console: Console, api: AirflowApi, store: Store, started: float) -> None:
        self.console, self.api, self.store, self.started = console, api, store, started
        self.shown: set[tuple[object, ...]] = set()
        self.running: dict[tuple[str, str], TaskState] = {}
        self.spoke_at = time.monotonic()
        self.status: Status | None = None
        if console.is_terminal:
            self.status = console.status("waiting")
            self.status.start()

    def line(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        self.console.print(f"[{minutes:02d}:{seconds:02d}] {text}", markup=False)
        self.spoke_at = time.monotonic()

    def show(self, task: TaskState) -> None:
        """Note where a task stands; print it when it ended."""
        key = (task.run_id, task.task_id)
        if task.state == "running":
            self.running[key] = task
        else:
            self.running.pop(key, None)
        if task.state in DONE and (*task.key, task.state) not in self.shown:
            self.shown.add((*task.key, task.state))
            took = f"{task.duration_s:.0f} s" if task.duration_s is not None else ""
            self.line(f"{DONE[task.state]} {task.dag_id:<15} {task.task_id:<21} {took:>6}   {self._what(task)}")

    def _what(self, task: TaskState) -> str:
        if task.state != "success":
            return str(task.state)
        key = f"{task_folder(task.dag_id, task.run_id, task.task_id)}/{CARD}"
        try:
            return outcome(KINDS[read_plate(task.task_id).output].load(self.store, key))
        except Exception as error:  # the loop goes on, whatever a line about it cannot say
            return f"(no card: {error})"

    def tick(self) -> None:
        """Say what is going on now, if it is time."""
        if self.status is None and time.monotonic() - self.spoke_at < SPEAK_EVERY_S:
            return
        if not self.running:
            if self.status is not None:
                self.status.update("waiting for the next run")
            return
        task = next(iter(self.running.values()))
        text = f"{task.dag_id} {task.task_id}: {self._last_word(task)}"
        if self.status is not None:
            self.status.update(text[: self.console.width - 4])
        else:
            self.line(f"  {text}")

    def _last_word(self, task: TaskState) -> str:
        lines = [line for line in self.api.log_lines(task) if not line.startswith("::")]  # Airflow folds its log by such lines
        return re.sub(r"^\S+ (INFO|WARNING) ", "", lines[-1]) if lines else "starting"

    def close(self) -> None:
        if self.status is not None:
            self.status.stop()
