"""`visionloop labels`: where the labels of each source stand, and taking them in now."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.airflow_api import ACTIVE, AirflowApi, TaskState
from cli.dataset.app import Json, open_here, show_json, show_table
from cli.home import Home, StackError, say
from cli.progress import Progress
from include.artifacts import CheckedLabels
from include.definitions import SourceDefinition, read_definitions
from include.errors import BadInputError, ConfigError
from include.labelling.calls import NO_SOURCE, OUTCOMES, read_calls
from include.labelling.ledger import Ledger
from include.spot_checks.of_batches import summary
from include.storage import Store
from include.storage.content import in_threads

app = typer.Typer(help="Labels of every source: where they stand, taking them in.", no_args_is_help=True)
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Standing:
    """Of one source, as its ledger says. Items are jobs, tasks or delivered files.

    `taken_in`: items whose labels stand. `pending`: finished or deleted there, and not taken in as they are now. `waiting`: not
    finished by the team's rule. `refused`: could not be read. `lag_s`: how long the oldest pending item has waited since it was
    finished. Annotations are counted over all batches, corrected ones too. `unchecked`: batches that were not validated yet, or
    `stopped` by a rule or gate. `spot_checks`: what people found in samples of them.
    """

    source: str
    kind: str
    last_seen: datetime | None
    last_sweep: datetime | None
    last_batch: datetime | None
    taken_in: int
    pending: int
    waiting: int
    skipped: int
    refused: int
    gone: int
    batches: int
    unchecked: int
    stopped: int
    accepted_annotations: int
    rejected_annotations: int
    rejected_by_rule: dict[str, int]
    lag_s: float
    webhooks: dict[str, int]
    spot_checks: str


def standing(store: Store, source: str, kind: str, webhooks: dict[str, int], now: datetime) -> Standing:
    """What the ledger and the cards of checked labels say; nothing is asked of the service."""
    ledger = Ledger(store, source)
    last = [times[-1][1] for times in ledger.taken.values()]
    pending = ledger.pending()
    states = Counter(one.status for one in ledger.seen.values())
    objects = {entry.key: entry.modified for entry in store.list(ledger.folder)}
    cards = [key for key in objects if key.startswith(f"{ledger.folder}/checked/") and key.endswith(".json")]
    stops = {key.rpartition("/")[2].removesuffix(".json") for key in objects if key.startswith(f"{ledger.folder}/stopped/")}
    checked = list(in_threads(lambda key: CheckedLabels.load(store, key), cards))
    rules: Counter[str] = Counter()
    for card in checked:
        rules.update(card.rejected_by_rule)
    return Standing(
        source=source, kind=kind,
        last_seen=max((one.seen_at for one in ledger.seen.values()), default=None),
        last_sweep=objects.get(f"{ledger.folder}/cursor.json"),
        last_batch=max((batch.made_by.ended_at for batch in ledger.batches), default=None),
        taken_in=sum(one.refused is None and not one.is_gone for one in last),
        pending=len(pending), waiting=states["waiting"], skipped=states["skipped"],
        refused=sum(one.refused is not None for one in last), gone=sum(one.is_gone for one in last),
        batches=len(ledger.batches), unchecked=len({b.batch_id for b in ledger.batches} - {c.batch_id for c in checked}),
        stopped=len(stops - {card.batch_id for card in checked}),
        accepted_annotations=sum(card.annotations_accepted for card in checked),
        rejected_annotations=sum(card.annotations_rejected for card in checked), rejected_by_rule=dict(sorted(rules.items())),
        lag_s=max((max(0.0, (now - one.updated_at).total_seconds()) for one in pending), default=0.0), webhooks=webhooks,
        spot_checks=summary(store, source),
    )  # fmt: skip


def sources() -> dict[str, str]:
    """Kinds of the team's sources by name. Raises ConfigError if a definition is broken."""
    kinds: dict[str, str] = {}
    for _, found in read_definitions(SourceDefinition):
        if isinstance(found, ConfigError):
            raise found
        kinds[found.name] = found.kind
    return kinds


def known(source: str) -> None:
    """Raises BadInputError."""
    if source not in (kinds := sources()):
        raise BadInputError(
            f"source {source}: include/sources/ has no {source}.yaml; the sources are {', '.join(kinds) or 'none'}"
        )


@app.command()
def status(source: Annotated[str | None, typer.Argument(help="only this source, with more")] = None, json: Json = False) -> None:
    """What was seen, taken in, is waiting or was rejected, per source; and how often webhooks were called."""
    if source is not None:
        known(source)
    store, now = open_here(), datetime.now(UTC)
    calls = read_calls(store)
    found = [standing(store, name, kind, calls.get(name, {}), now) for name, kind in sources().items() if source in (None, name)]
    strangers = sum(calls.get(NO_SOURCE, {}).values())
    if json:
        return show_json({"sources": [asdict(one) for one in found], "webhooks_without_source": strangers})
    if source is not None:
        return show_table(["", ""], [[name.replace("_", " "), _shown(name, value)] for name, value in asdict(found[0]).items()])
    columns = ("source", "last_seen", "last_sweep", "taken_in", "pending", "waiting", "skipped", "gone", "refused",
               "rejected_annotations", "lag_s", "webhooks")  # fmt: skip
    heads = {"rejected_annotations": "rejected", "lag_s": "lag"}
    show_table(
        [heads.get(name, name.replace("_", " ")) for name in columns],
        [[_shown(name, getattr(one, name)) for name in columns] for one in found],
    )
    if strangers:
        say(f"webhooks for no source of ours: {strangers}")


def _shown(name: str, value: Any) -> Any:
    """A cell."""
    if name == "webhooks":
        return ", ".join(f"{value[outcome]} {outcome}" for outcome in OUTCOMES if value.get(outcome)) or "none"
    if name == "lag_s":
        minutes = round(value / 60)
        return f"{minutes // 60} h {minutes % 60} min" if minutes else "–"
    if isinstance(value, dict):
        return ", ".join(f"{rule} {count}" for rule, count in value.items()) or "none"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "never" if value is None else value


@app.command()
def sync(source: Annotated[str, typer.Argument(help="a file name in include/sources/, without .yaml")]) -> None:
    """Look at a source now: start its DAG in Airflow and follow it to its end."""
    known(source)
    store, dag_id = open_here(), f"labels__{source}"
    with closing(AirflowApi(Home().stack())) as api:
        if api.is_paused(dag_id):
            raise StackError(f"{dag_id} is switched off in Airflow: switch it on at {api.url}/dags/{dag_id}, then sync again")
        run_id = api.trigger(dag_id)
        progress = Progress(Console(highlight=False, soft_wrap=True), api, store, time.monotonic())
        try:
            progress.line(f"{dag_id} {run_id}: {api.url}/dags/{dag_id}/runs/{run_id}")
            tasks = follow(api, progress, dag_id, run_id)
        except KeyboardInterrupt:
            say(f"\n{run_id} goes on in Airflow")
            raise typer.Exit(130) from None
        finally:
            progress.close()
    if all(task.state == "skipped" for task in tasks):
        say(f"{source}: nothing new")


def follow(api: AirflowApi, progress: Progress, dag_id: str, run_id: str) -> list[TaskState]:
    """Show each task as it ends; returns them all. Raises StackError if one failed."""
    while True:
        state = api.run_state(dag_id, run_id)  # asked before its tasks: what ended last is shown
        tasks = api.tasks(dag_id, run_id)
        for task in tasks:
            progress.show(task)
        if state not in ACTIVE:
            break
        progress.tick()
        time.sleep(LOOK_EVERY_S)
    if failed := [task for task in tasks if task.state == "failed"]:
        raise StackError(f"{dag_id} {failed[0].task_id} failed: {api.error_line(failed[0])}")
    if state != "success":
        raise StackError(f"{dag_id} {run_id} ended as {state}")
    return tasks
