"""A real embedded stack in a temporary home, with the shapes' definitions, driven as a person would."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from cli import stack as stacks
from cli.airflow_api import AirflowApi, TaskState
from cli.home import PREFERRED_PORTS, Home, Stack, client_environment, free_ports
from cli.services import MARK
from include.artifacts import Promotion
from include.storage import Store, open_store
from tests.end_to_end import shapes

T = TypeVar("T")
DAGS = ("labels__shapes", "dataset__shapes", "model__shapes")


def write_definitions(folder: Path, epochs: int) -> Path:
    """The shapes' source, dataset and model, and who is alerted; where they are."""
    definitions = folder / "definitions"
    for noun, text in (("sources", shapes.SOURCE), ("datasets", shapes.DATASET), ("models", shapes.MODEL % epochs)):
        (definitions / noun).mkdir(parents=True)
        (definitions / noun / "shapes.yaml").write_text(text)
    (definitions / "alerting").mkdir()
    (definitions / "alerting" / "oncall.yaml").write_text(shapes.ALERTING)
    return definitions


class Loop:
    """Starts and stops the stack; waits for what should happen."""

    def __init__(self, folder: Path, epochs: int, **environment: str) -> None:
        self.home = Home(folder / "home")
        # not those that people are used to: another stack may come up beside it (tests/run.sh), and find them free, too
        self.home.save(Stack(ports=dict(zip(PREFERRED_PORTS, free_ports(len(PREFERRED_PORTS)), strict=True))))
        self.api: AirflowApi | None = None
        definitions = write_definitions(folder, epochs)
        os.environ.update({"VISIONLOOP_DEFINITIONS": str(definitions), "VISIONLOOP_HOME": str(self.home.path), **environment})
        self.added = ("VISIONLOOP_DEFINITIONS", "VISIONLOOP_HOME", *environment)

    def up(self) -> None:
        self.stack = stacks.up(self.home)
        self.connect()

    def connect(self) -> None:
        """Asks the stack that came up from now on; returns when its DAGs are there."""
        os.environ.update(client_environment(self.home, self.stack))
        if self.api is not None:
            self.api.close()
        self.api = AirflowApi(self.stack)
        self.until(lambda: all(self.api.has_dag(dag_id) for dag_id in DAGS), "the DAGs to appear")

    def down(self) -> None:
        stacks.down(self.home)

    def close(self) -> None:
        if self.api is not None:  # else it never came up, and that is the error to see
            self.api.close()
        self.down()
        added = client_environment(self.home, self.stack) if self.api is not None else ()
        for name in (*self.added, *added):
            os.environ.pop(name, None)

    @property
    def store(self) -> Store:
        return open_store("s3://visionloop")

    def until(self, check: Callable[[], T], what: str, within_s: float = 400) -> T:
        """The first true answer of `check`. Fails with where everything stands."""
        deadline = time.monotonic() + within_s
        while not (answer := check()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {within_s:.0f} s for {what}\n{self.standing()}")
            time.sleep(0.5)
        return answer

    def standing(self) -> str:
        lines = [f"import errors: {self.api.import_errors()}"]
        for dag_id in DAGS:
            for run in self.runs(dag_id):
                lines.append(f"{dag_id} {run['dag_run_id']} {run['state']}")
                for task in self.api.tasks(dag_id, run["dag_run_id"]):
                    lines.append(f"    {task.task_id} {task.state} try {task.try_number}")
                    if task.state in ("failed", "up_for_retry"):
                        lines += [f"        {line}" for line in self.api.log_lines(task)[-12:]]
        return "\n".join(lines)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Every run of a DAG, oldest first."""
        answer = self.api.get(f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after", "limit": 100})
        return list(answer.json()["dag_runs"])

    def task(self, dag_id: str, task_id: str, run: int = -1) -> TaskState | None:
        """A task of a DAG's latest (or other) run."""
        runs = self.runs(dag_id)
        if not runs:
            return None
        return next((one for one in self.api.tasks(dag_id, runs[run]["dag_run_id"]) if one.task_id == task_id), None)

    def promotions(self) -> list[Promotion]:
        """Every decision, oldest first."""
        cards = [entry for entry in self.store.list("runs/model__shapes") if entry.key.endswith("/promote_model/card.json")]
        return [Promotion.load(self.store, entry.key) for entry in sorted(cards, key=lambda entry: entry.modified)]

    def decided(self, count: int, within_s: float = 600) -> list[Promotion]:
        """Wait for the count-th decision, and until every run has ended."""

        def check() -> list[Promotion]:
            quiet = all(run["state"] in ("success", "failed") for dag_id in DAGS for run in self.runs(dag_id))
            assert [run["state"] for run in self.runs("model__shapes")][-1:] != ["failed"], self.standing()
            return found if quiet and len(found := self.promotions()) >= count else []

        return self.until(check, f"decision {count}", within_s)

    def versions(self) -> list[str]:
        names = (Path(entry.key).name for entry in self.store.list("datasets/shapes"))
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def processes(self, *words: str) -> list[psutil.Process]:
        """This stack's processes whose command line holds every word."""
        return [process for process in stacks.leftovers(self.home) if all(word in command_line(process) for word in words)]

    def kill_everything(self) -> int:
        """SIGKILL to every process of the stack at once, as a power cut would."""
        victims = list(stacks.leftovers(self.home))
        for process in victims:
            process.suspend()  # so that no parent restarts a child meanwhile
        for process in victims:
            process.kill()
        psutil.wait_procs(victims, timeout=10)
        return len(victims)


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def nothing_left(home: Home) -> list[str]:
    """Command lines of what still carries the stack's mark."""
    assert MARK
    return [command_line(process) for process in stacks.leftovers(home)]
